import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { describe, expect, test } from "vitest";
import { zooCommands } from "../../src/cli/zoo/line.ts";
import { commands } from "../../src/commands/index.ts";

/** Every --name in the strings of the sources, with the file it stands in. */
function namedOptions(): { file: string; option: string }[] {
  const files = readdirSync("src", { recursive: true, encoding: "utf8" }).filter(
    // A style sheet names its variables likewise.
    (file) => file.endsWith(".ts") && !file.includes("proto") && !file.endsWith("style.ts"),
  );
  return files.flatMap((file) => {
    const text = readFileSync(join("src", file), "utf8");
    const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
    const found: { file: string; option: string }[] = [];
    const visit = (node: ts.Node): void => {
      if (ts.isStringLiteralLike(node) || ts.isTemplateHead(node) || ts.isTemplateMiddleOrTemplateTail(node))
        for (const [, option = ""] of node.text.matchAll(/(?<![\w-])--([a-z][a-z0-9-]*)/g))
          found.push({ file: file.replaceAll("\\", "/"), option });
      ts.forEachChild(node, visit);
    };
    visit(source);
    return found;
  });
}

/** Options of Node.js, of the parser and of other tools, and former names that are still understood. */
const foreign = new Set(["import", "help", "version", "forms", "local-dir", "quantization"]);

/**
 * Commands in which the messages of a file can occur, by the start of its path, as far as can be told; else any. With
 * "train|artifact" either's options do: what a run or an export lacks may be given when its artifact is built anew.
 */
const reach: readonly [start: string, commands: readonly string[]][] = [
  ["data/subset.ts", ["optimize", "train"]],
  ["data/feed-dataset.ts", ["optimize", "train"]],
  ["data/loaders/module.ts", ["optimize", "train"]],
  ["data/targets.ts", ["optimize", "train"]],
  ["data/", ["optimize", "quantize", "artifact", "profile", "train", "export", "evaluate"]],
  ["quantization/", ["optimize", "quantize", "artifact", "profile"]],
  ["calibration/statistics/", ["calibrate"]],
  ["calibration/", ["optimize", "quantize", "artifact", "profile"]],
  ["training/artifact/", ["optimize", "artifact", "profile"]],
  ["training/memory/", ["optimize", "artifact", "profile"]],
  ["training/", ["optimize", "train|artifact"]],
  ["export/check-target.ts", ["optimize", "quantize", "export|artifact"]],
  ["export/", ["optimize", "quantize", "export"]],
];

describe("options that messages name", () => {
  const found = namedOptions().filter(({ option }) => !foreign.has(option));
  const tables = new Map<string, ReadonlySet<string>>(
    [...commands, ...zooCommands].map(({ name, options }) => [
      name,
      new Set(Object.entries(options).flatMap(([option, { alias }]) => [option, ...(alias ? [alias] : [])])),
    ]),
  );

  test("are found at all", () => {
    expect(found.length).toBeGreaterThan(50);
  });

  test("exist", () => {
    const unknown = found.filter(({ option }) => ![...tables.values()].some((table) => table.has(option)));
    expect(unknown).toEqual([]);
  });

  test("exist in every command where the message can occur", () => {
    const missing = found.flatMap(({ file, option }) => {
      const [, reached = []] = reach.find(([start]) => file.startsWith(start)) ?? [];
      const without = reached.filter(
        (names) => !names.split("|").some((name) => tables.get(name)?.has(option) === true),
      );
      return without.map((command) => `${file}: --${option} is no option of ${command}`);
    });
    expect([...new Set(missing)]).toEqual([]);
  });
});
