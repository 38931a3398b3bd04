import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { dataError } from "../../errors.ts";
import { unreadable } from "../byte-source.ts";

const splitFolders = { train: ["train"], test: ["test", "val", "validation"] } as const;

/** Files of samples in a folder, in the order of their classes and names. */
export interface ClassFiles {
  /** The folder itself, or that of the split in it. */
  folder: string;
  files: string[];
  /** Class of each file, where they lie in folders of classes. */
  labels: Int32Array | undefined;
  classNames: string[] | undefined;
}

/** The files of a folder that `accepts` takes. */
export type FilesOf = (accepts: (name: string) => boolean) => ClassFiles;

/**
 * Lists a folder's files: one folder per class, classes numbered in the sorted order of their names; files that lie in the
 * folder itself have no labels. With folders train/ and test/ (or val/), `split` picks one.
 */
export async function listClasses(root: string, split: "train" | "test"): Promise<FilesOf> {
  const folder = await pickSplit(root, split);
  const own = await listFolder(folder);
  const inClasses: string[][] = [];
  for (const name of own.folders) inClasses.push((await listFolder(join(folder, name))).files);
  return (accepts) => {
    const files: string[] = [];
    const labels: number[] = [];
    for (const [label, name] of own.folders.entries()) {
      for (const file of (inClasses[label] ?? []).filter(accepts)) {
        files.push(join(folder, name, file));
        labels.push(label);
      }
    }
    if (files.length > 0) return { folder, files, labels: Int32Array.from(labels), classNames: own.folders };
    const loose = own.files.filter(accepts).map((file) => join(folder, file));
    return { folder, files: loose, labels: undefined, classNames: undefined };
  };
}

/** The folder in `root` that holds the samples of `split`, if there is one. */
export async function findSplitFolder(root: string, split: "train" | "test"): Promise<string | undefined> {
  const { folders } = await listFolder(root);
  return splitFolderIn(root, folders, split);
}

function splitFolderIn(
  root: string,
  folders: readonly string[],
  split: "train" | "test",
): string | undefined {
  const found = splitFolders[split].find((name) => folders.includes(name));
  return found === undefined ? undefined : join(root, found);
}

/** The folder of a split where there are such folders, else `root` itself. Throws UserError data/split where there is only the other. */
export async function pickSplit(root: string, split: "train" | "test"): Promise<string> {
  const { folders } = await listFolder(root);
  const found = splitFolderIn(root, folders, split);
  if (found !== undefined) return found;
  const inParts = Object.values(splitFolders)
    .flat()
    .some((name) => folders.includes(name));
  if (!inParts) return root;
  throw dataError(
    "split",
    `There is no folder for the ${split} split, only ${folders.join(", ")}`,
    root,
    "Choose the other with --split.",
  );
}

/** What lies in a folder and is not hidden, sorted. */
export async function listFolder(folder: string): Promise<{ folders: string[]; files: string[] }> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    throw unreadable(folder, error);
  });
  const visible = entries.filter(({ name }) => !name.startsWith("."));
  const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
  return {
    folders: visible
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
      .sort(compare),
    files: visible
      .filter((entry) => !entry.isDirectory())
      .map(({ name }) => name)
      .sort(compare),
  };
}
