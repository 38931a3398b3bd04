import { readdir } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import sharp from "sharp";
import { dataError } from "../../errors.ts";
import { unreadable } from "../byte-source.ts";
import type { ImageSource, RawImage } from "../image.ts";
import { readLabelsFile } from "../labels-file.ts";
import type { DataSpec } from "../spec.ts";

const extensions = new Set([".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff", ".avif"]);
/** Whether a file of this name counts as an image of a folder. */
export const isImageName = (name: string): boolean => extensions.has(extname(name).toLowerCase());

const splitFolders = { train: ["train"], test: ["test", "val", "validation"] } as const;
/** Images decoded at a time. */
const decodeWidth = 8;

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
    async read(indices, channels): Promise<RawImage[]> {
      const images: RawImage[] = [];
      for (let start = 0; start < indices.length; start += decodeWidth) {
        const part = indices.slice(start, start + decodeWidth);
        images.push(
          ...(await Promise.all(part.map((index) => decodeImage(files[index] as string, channels)))),
        );
      }
      return images;
    },
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

/** Decodes one file upright (EXIF), without alpha, as sRGB or grey. */
async function decodeImage(path: string, channels: 1 | 3): Promise<RawImage> {
  try {
    const upright = sharp(path).autoOrient().flatten({ background: "black" });
    const coloured =
      channels === 1 ? upright.greyscale().toColourspace("b-w") : upright.toColourspace("srgb");
    const { data, info } = await coloured.raw({ depth: "uchar" }).toBuffer({ resolveWithObject: true });
    if (info.channels !== channels) throw new Error(`it has ${info.channels} channels after conversion`);
    return { height: info.height, width: info.width, channels, pixels: data };
  } catch (error) {
    throw dataError(
      "image",
      `The image cannot be decoded: ${error instanceof Error ? error.message : String(error)}`,
      path,
      "Repair or remove the file.",
    );
  }
}
