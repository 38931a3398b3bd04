import { elementCount } from "../tensor/tensor.ts";
import { type NpyArray, readWhole } from "./loaders/npy.ts";
import type { ModelInput } from "./model-input.ts";
import { batchAxisOf, findPlacement, fitsShape, interleave } from "./place-samples.ts";

/** One array and the model input it feeds. */
export interface Feed {
  input: ModelInput;
  array: NpyArray;
}

/**
 * Feeds whose arrays have the samples first. Beside one that has, an array may also be what one run on all samples takes
 * (the samples along the input's own batch axis, `state` [2, samples, 128]), or one value of an input without a batch,
 * which is the same for all samples. What fits neither stays as it is.
 */
export function alignSamples(feeds: readonly Feed[]): Promise<Feed[]> {
  const samples = feeds.find(({ input, array }) => findPlacement(array.dims, input) !== undefined)?.array
    .dims[0];
  return Promise.all(
    feeds.map(async ({ input, array }) => ({
      input,
      array:
        samples === undefined || findPlacement(array.dims, input) !== undefined
          ? array
          : await alignArray(array, input, samples),
    })),
  );
}

async function alignArray(array: NpyArray, input: ModelInput, samples: number): Promise<NpyArray> {
  if (!fitsShape(array.dims, input.shape)) return array;
  const axis = batchAxisOf(input);
  if (axis === undefined || typeof input.shape[axis] === "number") return repeat(array, samples);
  return axis > 0 && array.dims[axis] === samples ? moveAxisFirst(array, axis) : array;
}

/** One value as an array of so many samples. */
async function repeat(array: NpyArray, samples: number): Promise<NpyArray> {
  const value = await readWhole(array);
  return {
    ...array,
    dims: [samples, ...array.dims],
    bytesInMemory: value.byteLength,
    readRows: (indices) => Promise.resolve(Buffer.concat(indices.map(() => value))),
  };
}

/** The array with an axis in front of the others: held in memory, because its samples do not lie together in the file. */
async function moveAxisFirst(array: NpyArray, axis: number): Promise<NpyArray> {
  const rows = array.dims[axis] as number;
  const moved = interleave(await readWhole(array), elementCount(array.dims.slice(0, axis)), rows);
  const size = moved.byteLength / rows;
  return {
    ...array,
    dims: [rows, ...array.dims.toSpliced(axis, 1)],
    bytesInMemory: moved.byteLength,
    readRows: (indices) =>
      Promise.resolve(Buffer.concat(indices.map((row) => moved.subarray(row * size, (row + 1) * size)))),
  };
}
