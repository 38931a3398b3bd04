import { readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { dataError } from "../../errors.ts";
import { openBytes, unreadable } from "../byte-source.ts";
import type { ImageSource, RawImage } from "../image.ts";
import { readLabelsFile } from "../labels-file.ts";
import type { DataSpec } from "../spec.ts";
import { readIdxHeader } from "./idx-header.ts";

const prefixes = { train: ["train"], test: ["t10k", "test"] } as const;

/** Whether a file of this name counts as images or labels of a folder. */
export const isIdxName = (name: string): boolean => /-(images|labels)[.-]idx[13]-ubyte(\.gz)?$/.test(name);

/** The images file of `split` in a folder with the four standard names (dash or dot before "idx", .gz or not). */
export async function findIdxImages(folder: string, split: "train" | "test"): Promise<string | undefined> {
  const names = await readdir(folder).catch((error: unknown) => {
    throw unreadable(folder, error);
  });
  const wanted = prefixes[split].flatMap((prefix) =>
    ["-images-idx3-ubyte", "-images.idx3-ubyte"].flatMap((stem) => [
      `${prefix}${stem}`,
      `${prefix}${stem}.gz`,
    ]),
  );
  const found = wanted.find((name) => names.includes(name));
  return found === undefined ? undefined : join(folder, found);
}

/** Opens IDX images and their labels (beside them under the matching name, or `spec.labels`). */
export async function openIdx(path: string, spec: DataSpec): Promise<ImageSource> {
  const file = await openBytes(path);
  const { dims, offset } = await readIdxHeader(file);
  const [count = 0, height = 0, width = 0] = dims;
  if (dims.length !== 3) {
    throw dataError(
      "idx",
      `IDX images have three dimensions (count, height, width); this file has ${dims.length}`,
      path,
      "Give the images file as --data and the labels file as --labels.",
    );
  }
  if (height * width === 0 && count > 0)
    throw dataError("empty", "The images have no pixels", path, "Write or download it again.");
  const labels = await openLabels(path, spec, count);
  const size = height * width;
  return {
    name: basename(path),
    length: count,
    channels: 1,
    labels,
    bytesInMemory: file.bytesInMemory,
    where: (index) => `${path}, image ${index}`,
    describe: () => ({ format: "IDX", path, split: spec.split ?? "train" }),
    async read(indices, channels): Promise<RawImage[]> {
      const rows = await file.readRows(
        indices.map((index) => offset + index * size),
        size,
      );
      return indices.map((_, row) => ({
        height,
        width,
        channels,
        pixels: spread(rows.subarray(row * size, (row + 1) * size), channels),
      }));
    },
  };
}

async function openLabels(path: string, spec: DataSpec, samples: number): Promise<Int32Array | undefined> {
  if (spec.labels === "none") return undefined;
  const labels = spec.labels ?? (await labelsBeside(path));
  return labels === undefined ? undefined : readLabelsFile(labels, samples);
}

/** The file of labels that lies beside an IDX file of images under the matching name. */
export async function labelsBeside(path: string): Promise<string | undefined> {
  const name = basename(path).replace("images", "labels").replace("idx3", "idx1");
  const names = await readdir(dirname(path));
  const plain = name.replace(/\.gz$/, "");
  const found = [name, plain, `${plain}.gz`].find((candidate) => names.includes(candidate));
  return found === undefined || name === basename(path) ? undefined : join(dirname(path), found);
}

/** Grey pixels as they are, or repeated for three channels. */
function spread(pixels: Uint8Array, channels: 1 | 3): Uint8Array {
  if (channels === 1) return pixels;
  const repeated = new Uint8Array(pixels.length * 3);
  pixels.forEach((pixel, index) => repeated.fill(pixel, index * 3, index * 3 + 3));
  return repeated;
}
