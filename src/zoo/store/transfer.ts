import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { environmentError } from "../../errors.ts";
import { hashFile } from "../jobs/content-hash.ts";
import { insideOf } from "../jobs/inside-of.ts";
import type { Store } from "./store.ts";

/** Files of a folder by the hashes of their content. Paths count from the folder. */
export const treeSchema = z.array(z.object({ path: z.string(), sha256: z.string(), bytes: z.number() }));
export type Tree = z.infer<typeof treeSchema>;

/** Puts files into a store, those that are not there yet. */
export async function putFiles(
  store: Store,
  files: readonly { path: string; file: string }[],
): Promise<Tree> {
  const tree: Tree = [];
  for (const { path, file } of files) {
    const sha256 = await hashFile(file);
    if (!(await store.hasBlob(sha256))) await store.putBlob(sha256, file);
    tree.push({ path, sha256, bytes: (await stat(file)).size });
  }
  return tree;
}

/** The files of a folder, at any depth; or the one file. Paths count from the folder that holds it all. */
export async function filesUnder(path: string, name: string): Promise<{ path: string; file: string }[]> {
  if (!(await stat(path)).isDirectory()) return [{ path: name, file: path }];
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .map((file) => ({ path: join(name, file.slice(path.length + 1)), file }));
}

/**
 * Brings files from a store into a folder, each under its name only when its content has the right hash; those that are
 * there are kept. Throws environment/store where it has not.
 */
export async function fetchFiles(store: Store, tree: Tree, folder: string): Promise<void> {
  for (const { path, sha256, bytes } of tree) {
    const target = insideOf(folder, path);
    if ((await stat(target).catch(() => undefined))?.size === bytes && (await hashFile(target)) === sha256)
      continue;
    await mkdir(dirname(target), { recursive: true });
    const temporary = `${target}.${process.pid}.tmp`;
    try {
      await store.readBlob(sha256, temporary);
      if ((await hashFile(temporary)) !== sha256) throw changedError(path, store);
      await rename(temporary, target);
    } finally {
      await rm(temporary, { force: true });
    }
  }
}

const changedError = (path: string, store: Store): Error =>
  environmentError(
    "store",
    "A file of the store does not have the content that it was put there with",
    `${path} in ${store.name}`,
    "Remove its blob from the store and run again.",
  );
