import { readFileSync } from "node:fs";
import { join, normalize } from "node:path";
import picomatch from "picomatch";
import { describe, expect, test } from "vitest";
import { parseCommandLine } from "../src/cli/parse.ts";
import { zooCommands } from "../src/cli/zoo/line.ts";
import { checkArguments } from "../src/commands/check-arguments.ts";
import { withConfiguration } from "../src/cli/with-configuration.ts";
import { argumentsOf, commandsOf, documents } from "./documents/read-documents.ts";

const scripts = Object.keys(
  (JSON.parse(readFileSync("package.json", "utf8")) as { scripts: Record<string, string> }).scripts,
);

describe("commands in documents are ones that the command line takes", () => {
  const lines = documents.flatMap((file) => commandsOf(file).map((line) => [line, file] as const));

  test("are found at all", () => {
    expect(lines.length).toBeGreaterThan(20);
  });

  test.each(lines)("%s (%s)", async (line) => {
    const words = argumentsOf(line);
    // A configuration of the documents is no file here: its options are what the file's own test looks at.
    if (words.some((word) => word.startsWith("--config")))
      return expect(() => withConfiguration(words)).toThrow(/config/);
    const task = zooCommands.find(({ name }) => words[0] === "zoo" && name === `zoo ${words[1]}`);
    if (task !== undefined) return expect(checkArguments(task, words.slice(2), zooCommands)).toBeDefined();
    await expect(parseCommandLine(words, 100)).resolves.toBeDefined();
  });
});

test("npm scripts that documents name are there", () => {
  for (const path of documents)
    for (const [, name = ""] of readFileSync(path, "utf8").matchAll(/npm run ([\w:-]+)/g))
      expect(scripts, `${path}: npm run ${name}`).toContain(name);
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
