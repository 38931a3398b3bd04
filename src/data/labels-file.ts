import { dataError } from "../errors.ts";
import { type ByteSource, openBytes, startOf } from "./byte-source.ts";
import { foreignFile } from "./foreign-files.ts";
import { checkLabelCount, readLabels } from "./labels.ts";
import { isIdx, readIdxHeader } from "./loaders/idx-header.ts";
import { isNpy, openNpy } from "./loaders/npy.ts";
import type { DataSpec } from "./spec.ts";

/** Reads the labels of `samples` samples from an .npy or IDX file, told apart by how they begin. */
export async function readLabelsFile(path: string, samples: number): Promise<Int32Array> {
  const file = await openBytes(path);
  if (await isNpy(file)) return readLabels(await openNpy(file), samples);
  const start = await startOf(file);
  if (!isIdx(start)) throw foreignFile(path, start, "labels");
  return readIdxLabels(file, samples);
}

/** The labels of the file that --labels names, if any. `samples` undefined: of an array without a first dimension. */
export async function readAskedLabels(
  { labels }: DataSpec,
  samples: number | undefined,
): Promise<Int32Array | undefined> {
  return labels === undefined || labels === "none" || samples === undefined
    ? undefined
    : readLabelsFile(labels, samples);
}

/** Reads an IDX file of one dimension as the labels of `samples` samples. */
async function readIdxLabels(file: ByteSource, samples: number): Promise<Int32Array> {
  const { path } = file;
  const { dims, offset } = await readIdxHeader(file);
  const [count = 0] = dims;
  if (dims.length !== 1) {
    throw dataError(
      "idx",
      `IDX labels have one dimension; this file has ${dims.length}`,
      path,
      "Give the file of labels (such as train-labels-idx1-ubyte) as --labels.",
    );
  }
  checkLabelCount(count, samples, path);
  return Int32Array.from(await file.readRows([offset], count));
}
