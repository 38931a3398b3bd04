import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** The documents that users read, and the changelog. */
export const documents = [
  "README.md",
  "CHANGELOG.md",
  ...readdirSync("docs", { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".md"))
    .map((file) => join("docs", file)),
];

/** The command lines of a document's shell blocks, without comments. */
export function shellLines(file: string): string[] {
  return blocksOf(file, "sh")
    .flatMap((block) => block.replaceAll(/\\\n\s*/g, "").split("\n"))
    .flatMap((line) => line.split("&&"))
    .map((line) => line.replace(/(^|\s)#.*$/, "").trim())
    .filter((line) => line !== "");
}

/** The blocks of one language in a document. */
export const blocksOf = (file: string, language: string): string[] =>
  Array.from(
    readFileSync(file, "utf8").matchAll(new RegExp(`^( *)\`\`\`${language}\\n([^]*?)^ *\`\`\``, "gm")),
    ([, , block = ""]) => block,
  );

/** The efqat commands among them. */
export const commandsOf = (file: string): string[] =>
  shellLines(file).filter((line) => line.startsWith("efqat "));

/** The arguments of an efqat command, as a shell would split them. */
export const argumentsOf = (line: string): string[] =>
  Array.from(
    line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g),
    ([word, double, single]) => double ?? single ?? word,
  ).slice(1);
