import { existsSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { glob, isDynamicPattern } from "tinyglobby";
import { usageError } from "../../errors.ts";
import type { Manifest } from "./schema.ts";

type Entry = Manifest["models"][number];

/** What runs and workers wrote, which may lie in the folder too. */
const ownFiles = /\/jobs\/[^/]+-[0-9a-f]{12}\/|\/inputs\/[0-9a-f]{32}\//;

/** Models of a folder (at any depth) or of a pattern (below `from`), in the order of their paths, with data beside them. */
export async function findModels(path: string, from = "."): Promise<Entry[]> {
  const pattern = isFolder(path)
    ? { patterns: ["**/*.onnx"], cwd: path }
    : isDynamicPattern(path) || existsSync(path)
      ? { patterns: [path.replaceAll("\\", "/")], cwd: from }
      : undefined;
  if (pattern === undefined)
    throw usageError("zoo", "There is no such file or folder", path, "Give zoo.yaml, a folder or a pattern.");
  const { patterns, cwd } = pattern;
  const found = await glob(patterns, { cwd, absolute: true, onlyFiles: true, followSymbolicLinks: false });
  const models = found.filter((file) => file.endsWith(".onnx") && !ownFiles.test(file)).sort();
  if (models.length === 0)
    throw usageError("zoo", "There are no .onnx files", path, "Give zoo.yaml, a folder or a pattern.");
  const root = commonFolder(models);
  return models.map((model) => ({ path: model, name: nameUnder(model, root), ...dataBeside(model) }));
}

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

/** The path without the folder that all share and without the ending, as the name of a model. */
export const nameUnder = (model: string, root: string): string =>
  model.slice(root === "/" ? 1 : root.length + 1).replace(/\.onnx$/, "");

/** The deepest folder that holds all of the files. */
export function commonFolder(files: readonly string[]): string {
  const parts = files.map((file) => dirname(resolve(file)).split("/"));
  const [first = []] = parts;
  const differs = first.findIndex((part, at) => parts.some((other) => other[at] !== part));
  const shared = differs < 0 ? first : first.slice(0, differs);
  return shared.join("/") || "/";
}

/**
 * Data that lie beside a model by custom: NAME.npz, .npy, .mjs; folders NAME and NAME-data; the ONNX model zoo's
 * test_data_set_0; one data.npz, data.mjs or folder data for all.
 */
export function dataBeside(model: string): { data?: string } {
  const folder = dirname(model);
  const stem = basename(model, ".onnx");
  const own = [".npz", ".npy", ".mjs", "", "-data"].map((ending) => join(folder, `${stem}${ending}`));
  const found = own.find((path) => existsSync(path));
  if (found !== undefined) return { data: found };
  if (existsSync(join(folder, "test_data_set_0"))) return { data: folder };
  const shared = ["data.npz", "data.npy", "data.mjs", "data"].map((name) => join(folder, name));
  const data = shared.find((path) => existsSync(path));
  return data === undefined ? {} : { data };
}
