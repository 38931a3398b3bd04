import { readdirSync, readFileSync } from "node:fs";
import { join, normalize } from "node:path";
import picomatch from "picomatch";
import { describe, expect, test } from "vitest";
import { parseCommandLine } from "../src/cli/parse.ts";
import { zooCommands } from "../src/cli/zoo/line.ts";
import { checkArguments } from "../src/commands/check-arguments.ts";
import { withConfiguration } from "../src/cli/with-configuration.ts";

const documents = [
  "README.md",
  "CHANGELOG.md",
  ...readdirSync("docs", { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".md"))
    .map((file) => join("docs", file)),
];

/** The efqat command lines of a document's shell blocks. */
function commandsOf(file: string): string[] {
  const blocks = [...readFileSync(file, "utf8").matchAll(/^( *)```sh\n([^]*?)^ *```/gm)];
  return blocks
    .flatMap(([, , block = ""]) => block.replaceAll(/\\\n\s*/g, "").split("\n"))
    .flatMap((line) => line.split("&&"))
    .map((line) => line.replace(/\s#.*$/, "").trim())
    .filter((line) => line.startsWith("efqat "));
}

const wordsOf = (line: string): string[] =>
  Array.from(
    line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g),
    ([word, double, single]) => double ?? single ?? word,
  ).slice(1);

describe("commands in documents are ones that the command line takes", () => {
  const lines = documents.flatMap((file) => commandsOf(file).map((line) => [line, file] as const));

  test("are found at all", () => {
    expect(lines.length).toBeGreaterThan(20);
  });

  test.each(lines)("%s (%s)", async (line) => {
    const words = wordsOf(line);
    // A configuration of the documents is no file here: its options are what the file's own test looks at.
    if (words.some((word) => word.startsWith("--config")))
      return expect(() => withConfiguration(words)).toThrow(/config/);
    const task = zooCommands.find(({ name }) => words[0] === "zoo" && name === `zoo ${words[1]}`);
    if (task !== undefined) return expect(checkArguments(task, words.slice(2), zooCommands)).toBeDefined();
    await expect(parseCommandLine(words, 100)).resolves.toBeDefined();
  });
});

test("links of all documents lead somewhere", () => {
  for (const path of documents)
    for (const [, target = ""] of readFileSync(path, "utf8").matchAll(/\]\((?!https?:)([^)#]+)/g))
      expect(() => readFileSync(join(path, "..", target)), `${path} -> ${target}`).not.toThrow(/ENOENT/);
});

test("the package holds what its README and its documents link to", () => {
  const { files } = JSON.parse(readFileSync("package.json", "utf8")) as { files: string[] };
  const missing = documents.flatMap((path) =>
    Array.from(readFileSync(path, "utf8").matchAll(/\]\((?!https?:)([^)#]+)/g), ([, target = ""]) =>
      normalize(join(path, "..", target)).replaceAll("\\", "/"),
    ).filter(
      (target) =>
        !picomatch.isMatch(
          target,
          files.flatMap((file) => [file, `${file}/**`]),
        ),
    ),
  );
  expect([...new Set(missing)].filter((target) => target !== "LICENSE")).toEqual([]);
});
