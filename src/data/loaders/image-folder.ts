import { readdir } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { dataError } from "../../errors.ts";
import { unreadable } from "../byte-source.ts";
import { decodeImages } from "../decode-images.ts";
import type { ImageSource } from "../image.ts";
import { readLabelsFile } from "../labels-file.ts";
import type { DataSpec } from "../spec.ts";

const extensions = new Set([".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff", ".avif"]);
/** Whether a file of this name counts as an image of a folder. */
export const isImageName = (name: string): boolean => extensions.has(extname(name).toLowerCase());

const splitFolders = { train: ["train"], test: ["test", "val", "validation"] } as const;

/**
 * Opens a folder of images: one folder per class, classes numbered in the sorted order of their names; images
 * that lie in the folder itself have no labels. With folders train/ and test/ (or val/), `split` picks one.
 */
export async function openImageFolder(root: string, spec: DataSpec): Promise<ImageSource> {
  const folder = await pickSplit(root, spec.split ?? "train");
  const classNames = (await listFolder(folder)).folders;
  const files: string[] = [];
  const labels: number[] = [];
  for (const [label, name] of classNames.entries()) {
    for (const file of (await listFolder(join(folder, name))).files) {
      files.push(join(folder, name, file));
      labels.push(label);
    }
  }
  const labelled = files.length > 0;
  if (!labelled) files.push(...(await listFolder(folder)).files.map((file) => join(folder, file)));
  const asked = spec.labels === "none" ? undefined : spec.labels;
  return {
    name: basename(folder),
    length: files.length,
    channels: undefined,
    labels:
      asked !== undefined
        ? await readLabelsFile(asked, files.length)
        : labelled
          ? Int32Array.from(labels)
          : undefined,
    where: (index) => files[index] as string,
    describe: () => ({ format: "image folder", path: folder, ...(labelled ? { classNames } : {}) }),
    read: (indices, channels) =>
      decodeImages(
        indices.map((index) => ({ content: files[index] as string, where: files[index] as string })),
        channels,
      ),
  };
}

/** The folder in `root` that holds the images of `split`, if there is one. */
export async function findSplitFolder(root: string, split: "train" | "test"): Promise<string | undefined> {
  const { folders } = await listFolder(root);
  const found = splitFolders[split].find((name) => folders.includes(name));
  return found === undefined ? undefined : join(root, found);
}

async function pickSplit(root: string, split: "train" | "test"): Promise<string> {
  const found = await findSplitFolder(root, split);
  if (found !== undefined) return found;
  const { folders } = await listFolder(root);
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

async function listFolder(folder: string): Promise<{ folders: string[]; files: string[] }> {
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
      .map(({ name }) => name)
      .filter((name) => isImageName(name))
      .sort(compare),
  };
}
