import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { foldsCase, isSame, liesIn, type Resolved, resolvePath } from "../../src/claims/resolve.ts";

/** A file system with these paths, each with a number of its own; `folds`: in any case. */
function fileSystem(paths: readonly string[], folds: boolean) {
  const key = (file: string): string => (folds ? file.toLowerCase() : file);
  const numbers = new Map(paths.map((file, i) => [key(path.resolve(file)), i + 1]));
  return (file: string) => {
    const ino = numbers.get(key(file));
    return Promise.resolve(ino === undefined ? undefined : { dev: 1, ino });
  };
}

test.each([true, false])(
  "whether names in another case are the same is seen at what is there: %s",
  async (folds) => {
    const there = ["/", "/Users", "/Users/ada", "/Users/ada/2026"];
    for (const file of ["/Users/ada/new/q.onnx", "/Users/ada/2026/q.onnx", "/users"].slice(0, folds ? 3 : 2))
      expect(await foldsCase(path.resolve(file), fileSystem(there, folds)), file).toBe(folds);
  },
);

test("two files that differ in case, both there, are two", async () => {
  const both = fileSystem(["/", "/data", "/DATA"], false);
  expect(await foldsCase(path.resolve("/data/q.onnx"), both)).toBe(false);
});

test("where nothing is there but the root, cases are told apart", async () => {
  expect(await foldsCase(path.resolve("/q.onnx"), fileSystem(["/"], true))).toBe(false);
});

test("paths are compared by their keys", () => {
  const at = (file: string): Resolved => ({
    real: file,
    key: path.resolve(file).toLowerCase(),
    stats: undefined,
  });
  expect(isSame(at("/d/Q.onnx"), at("/d/q.ONNX"))).toBe(true);
  expect(liesIn(at("/D/report/r.json"), at("/d/Report"))).toBe(true);
  expect(liesIn(at("/D/reports/r.json"), at("/d/Report"))).toBe(false);
});

test("a path keeps its spelling where this file system tells cases apart", async () => {
  const folder = await realpath(await mkdtemp(path.join(tmpdir(), "efqat-Case-")));
  const { real, key } = await resolvePath(path.join(folder, "Q.onnx"));
  const folds = (await resolvePath(path.join(folder, "q.onnx"))).key === key;
  expect(key).toBe(folds ? real.toLowerCase() : real);
  await rm(folder, { recursive: true });
});
