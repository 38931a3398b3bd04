import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { generatedDocs } from "../scripts/docs/generated-docs.ts";

describe("documents made from the code are up to date (npm run docs)", () => {
  test.each([...generatedDocs()])("%s", (path, made) => {
    const stored = readFileSync(path, "utf8");
    if (path.endsWith(".json")) expect(JSON.parse(stored)).toEqual(JSON.parse(made));
    else expect(stored).toBe(made);
  });
});

test("links between documents lead somewhere", () => {
  for (const path of [
    "README.md",
    "docs/api.md",
    "docs/audit.md",
    "docs/benchmarks.md",
    "docs/cli.md",
    "docs/data.md",
    "docs/limits.md",
    "docs/method.md",
    "docs/report.md",
    "docs/targets.md",
    "docs/zoo.md",
    "CHANGELOG.md",
  ]) {
    const folder = path.includes("/") ? "docs/" : "";
    for (const [, target = ""] of readFileSync(path, "utf8").matchAll(/\]\((?!https?:)([^)#]+)/g))
      expect(() => readFileSync(`${folder}${target}`), `${path} -> ${target}`).not.toThrow(/ENOENT/);
  }
});
