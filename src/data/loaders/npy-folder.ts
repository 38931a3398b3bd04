import { basename } from "node:path";
import { dataError, type UserError } from "../../errors.ts";
import { byteLength } from "../../tensor/data-type.ts";
import { elementCount, tensorOfBytes } from "../../tensor/tensor.ts";
import { openBytes } from "../byte-source.ts";
import type { ModelInput } from "../model-input.ts";
import type { FeedFile } from "./feed-folder.ts";
import { type NpyArray, openNpy, readWhole } from "./npy.ts";
import type { NpzFile } from "./npz.ts";

export const isNpyName = (name: string): boolean => name.toLowerCase().endsWith(".npy");

const stemOf = (path: string): string => basename(path).slice(0, -".npy".length);

/** A folder of .npy files, as an .npz file unpacked: arrays by their names. */
export function namedArrays(files: readonly string[], folder: string): NpzFile {
  const paths = new Map(files.map((path) => [stemOf(path), path]));
  return {
    names: [...paths.keys()],
    async open(name) {
      const path = paths.get(name);
      if (path === undefined)
        throw dataError("names", `The folder holds no array "${name}"`, folder, "Check its name.");
      return openNpy(await openBytes(path));
    },
  };
}

/**
 * Files of one sample each, as one array [samples, ...] where they all have one type and shape, which their headers tell;
 * else as feeds of the model's one input.
 */
export async function openSampleFiles(
  files: readonly string[],
  { name }: ModelInput,
): Promise<NpyArray | FeedFile[]> {
  const arrays: NpyArray[] = [];
  for (const path of files) arrays.push(await openNpy(await openBytes(path)));
  return (
    stackArrays(arrays) ??
    arrays.map((array): FeedFile => ({
      path: array.where,
      read: async () => ({ [name]: tensorOfBytes(array.dtype, array.dims, await readWhole(array)) }),
    }))
  );
}

/** Arrays of one type and shape as one of them, each read when a row of it is asked for. */
function stackArrays(arrays: readonly NpyArray[]): NpyArray | undefined {
  const [first] = arrays;
  if (first === undefined) return undefined;
  const { dtype, dims } = first;
  if (arrays.some((array) => array.dtype !== dtype || array.dims.join() !== dims.join())) return undefined;
  const size = byteLength(dtype, elementCount(dims));
  return {
    where: first.where,
    dtype,
    dims: [arrays.length, ...dims],
    bytesInMemory: arrays.reduce((sum, { bytesInMemory }) => sum + bytesInMemory, 0),
    async readRows(indices) {
      const rows = new Uint8Array(indices.length * size);
      for (const [row, index] of indices.entries())
        rows.set(await readWhole(arrays[index] as NpyArray), row * size);
      return rows;
    },
  };
}

/** The error of a folder of arrays for a model whose inputs it does not name. */
export const unnamedArrays = (
  inputs: readonly ModelInput[],
  files: readonly string[],
  folder: string,
): UserError =>
  dataError(
    "names",
    `The folder holds the arrays ${files.slice(0, 8).map(stemOf).join(", ")}, and the model has the inputs ${inputs.map(({ name }) => name).join(", ")}`,
    folder,
    "Name one file after each input ([samples, ...] in it), or write .npz files with one array per input.",
  );
