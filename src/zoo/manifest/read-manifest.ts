import { existsSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { isDynamicPattern } from "tinyglobby";
import { parseDocument } from "yaml";
import type { z } from "zod";
import { systemCodeOf, usageError, type UserError } from "../../errors.ts";
import { findModels } from "./find-models.ts";
import { type Manifest, manifestSchema } from "./schema.ts";

/** A manifest, and the folder that its paths count from. */
export interface ReadManifest {
  manifest: Manifest;
  folder: string;
  /** The file, where there is one. */
  file?: string;
}

/** Bytes of the largest manifest that is read: many thousands of models. */
const largestFile = 64e6;

/** Reads zoo.yaml; or makes a manifest of a folder or a pattern, with the data that lie beside each model. */
export async function readManifest(path: string): Promise<ReadManifest> {
  const stats = await stat(path).catch(() => undefined);
  if (stats?.isFile() === true && /\.(ya?ml|json)$/i.test(path)) return readFileOf(path, stats.size);
  return { manifest: { version: 1, models: await findModels(path) }, folder: resolve(".") };
}

async function readFileOf(path: string, size: number): Promise<ReadManifest> {
  if (size > largestFile)
    throw usageError("zoo-file", "The file is larger than 64 MB", path, "Split it into several.");
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    const reason = systemCodeOf(error) ?? "unknown";
    throw usageError("zoo-file", `The file cannot be read (${reason})`, path, "Check its permissions.");
  });
  const manifest = parseManifest(text, path);
  const folder = dirname(resolve(path));
  return {
    manifest: { ...manifest, models: await expandPatterns(manifest, folder) },
    folder,
    file: resolve(path),
  };
}

/** Entries whose path is a pattern become one for each file that it matches. */
async function expandPatterns({ models }: Manifest, folder: string): Promise<Manifest["models"]> {
  const found: Manifest["models"] = [];
  for (const entry of models) {
    const { name, path, ...choices } = entry;
    if (!isDynamicPattern(path) || existsSync(resolve(folder, path))) {
      found.push(entry);
      continue;
    }
    if (name !== undefined)
      throw wrongFile(path, `the pattern "${path}" has one name for many models; leave it out`);
    const files = await findModels(path, folder);
    found.push(...files.map((file) => ({ ...choices, path: file.path })));
  }
  return found;
}

/** The manifest of a YAML text. Throws usage/zoo-file, which names every place that is wrong. */
export function parseManifest(text: string, path: string): Manifest {
  const document = parseDocument(text, { maxAliasCount: 100, uniqueKeys: true } as object);
  const [error] = document.errors;
  if (error !== undefined) throw wrongFile(path, error.message.split("\n")[0] ?? "it is no YAML");
  let data: unknown;
  try {
    data = document.toJS({ maxAliasCount: 100 });
  } catch (cause) {
    throw wrongFile(path, cause instanceof Error ? cause.message : String(cause));
  }
  const { success, data: manifest, error: problems } = manifestSchema.safeParse(data);
  if (!success) throw wrongFile(path, problems.issues.map(describeIssue).join("; "));
  return manifest;
}

const describeIssue = ({ path, message }: z.core.$ZodIssue): string =>
  `${path.length === 0 ? "the file" : path.map(String).join(".")}: ${message}`;

const wrongFile = (path: string, what: string): UserError =>
  usageError("zoo-file", `The file is no zoo: ${what}`, path, "docs/zoo.md tells what it holds.");
