/**
 * Before any test: the product as JavaScript, for the processes that tests start. A loader of TypeScript takes half a second
 * of a processor in each of them, and there are hundreds.
 */
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { globSync } from "tinyglobby";
import ts from "typescript";
import { compiledPath } from "./compiled.ts";

const root = resolve(import.meta.dirname, "../..");

const options: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2023,
  module: ts.ModuleKind.ESNext,
  verbatimModuleSyntax: true,
  rewriteRelativeImportExtensions: true,
  inlineSourceMap: true,
};

export default function compileSources(): void {
  for (const source of globSync("src/**/*.{ts,js}", { cwd: root })) {
    const target = compiledPath(source);
    const compiled = statSync(target, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    if (compiled > statSync(resolve(root, source)).mtimeMs) continue;
    const text = readFileSync(resolve(root, source), "utf8");
    mkdirSync(dirname(target), { recursive: true });
    // Two runs of tests may be at it at once.
    const own = `${target}.${process.pid}`;
    writeFileSync(own, source.endsWith(".ts") ? toJavaScript(text, source) : text);
    renameSync(own, target);
  }
}

const toJavaScript = (text: string, fileName: string): string =>
  ts.transpileModule(text, { fileName, compilerOptions: options }).outputText;
