import { dataError } from "../errors.ts";
import type { Dim } from "../ir/model.ts";
import { byteLength } from "../tensor/data-type.ts";
import { elementCount, type Tensor, tensorOfBytes } from "../tensor/tensor.ts";
import type { NpyArray } from "./loaders/npy.ts";
import type { ModelInput } from "./model-input.ts";

/** How samples of one array, [samples, ...dims], become a model input. */
export type Placement =
  /** Samples lack the batch dimension, or have it at size 1: they are stacked along `axis`. */
  | { kind: "stacked"; axis: number }
  /** Each sample is the whole input; the model takes one at a time. */
  | { kind: "whole" }
  /** The whole input is the same for all samples. */
  | { kind: "shared" };

/**
 * How an array of shape `all`, [samples, ...], feeds the input: as its shape without the batch dimension, or as its full
 * shape. Throws UserError data/shape when neither fits.
 */
export function placementOf(all: readonly number[], input: ModelInput, where: string): Placement {
  const found = findPlacement(all, input);
  if (found !== undefined) return found;
  const axis = batchAxisOf(input);
  const shape = describe(input.shape);
  const single = axis === undefined ? "" : `[samples, ${describe(input.shape.toSpliced(axis, 1))}] or `;
  throw dataError(
    "shape",
    `The data have the shape [${all.join(", ")}] where input "${input.name}" takes [${shape}]`,
    where,
    `The first dimension counts samples: give ${single}[samples, ${shape}]; or name the dimension that is the batch with --batch-axis ${input.name}=AXIS.`,
  );
}

/** `placementOf`, undefined where neither fits. */
export function findPlacement(all: readonly number[], input: ModelInput): Placement | undefined {
  const dims = all.slice(1);
  const axis = batchAxisOf(input);
  if (axis !== undefined && fitsShape(dims, input.shape.toSpliced(axis, 1))) return { kind: "stacked", axis };
  if (!fitsShape(dims, input.shape)) return undefined;
  const open = axis !== undefined && typeof input.shape[axis] !== "number" && dims[axis] === 1;
  return open ? { kind: "stacked", axis } : { kind: "whole" };
}

/** The axis along which samples of an input are stacked, if any. */
export function batchAxisOf({ shape, batchAxis }: ModelInput): number | undefined {
  if (batchAxis !== undefined) return batchAxis < 0 ? undefined : batchAxis;
  return shape.length === 0 ? undefined : 0;
}

export const fitsShape = (dims: readonly number[], shape: readonly Dim[]): boolean =>
  dims.length === shape.length && shape.every((dim, axis) => typeof dim !== "number" || dim === dims[axis]);

const describe = (shape: readonly Dim[]): string => shape.map((dim) => dim ?? "?").join(", ");

/** Arrays of more bytes are not looked through for being the same everywhere. */
const largestShared = 1 << 24;

/** Whether all samples of an array are the same. */
export async function isShared(array: NpyArray): Promise<boolean> {
  const [length = 0, ...rest] = array.dims;
  const size = byteLength(array.dtype, elementCount(rest));
  if (length === 0 || length * size > largestShared) return false;
  const rows = Buffer.from(await array.readRows(Array.from({ length }, (_, index) => index)));
  const first = rows.subarray(0, size);
  return Array.from({ length }, (_, row) => rows.subarray(row * size, (row + 1) * size)).every((row) =>
    first.equals(row),
  );
}

/** Samples, [rows, ...] as in their array, as the model's input. */
export function placeSamples(
  { dtype, dims: [rows = 0, ...dims], bytes }: Tensor,
  { shape }: ModelInput,
  placement: Placement,
): Tensor {
  if (placement.kind !== "stacked") return tensorOfBytes(dtype, dims, bytes);
  const { axis } = placement;
  const single = dims.length === shape.length ? dims.toSpliced(axis, 1) : dims;
  const outer = elementCount(single.slice(0, axis));
  return tensorOfBytes(
    dtype,
    single.toSpliced(axis, 0, rows),
    outer === 1 ? bytes : interleave(bytes, rows, outer),
  );
}

/** [rows, outer, inner] as [outer, rows, inner]. */
export function interleave(bytes: Uint8Array, rows: number, outer: number): Uint8Array {
  const result = new Uint8Array(bytes.byteLength);
  const inner = bytes.byteLength / (rows * outer);
  for (let row = 0; row < rows; row++)
    for (let at = 0; at < outer; at++) {
      const from = (row * outer + at) * inner;
      result.set(bytes.subarray(from, from + inner), (at * rows + row) * inner);
    }
  return result;
}

/**
 * Samples that a model takes at a time, given how its inputs are fed; undefined where any number will do. Throws where
 * inputs of a fixed batch size are fed next to whole ones.
 */
export function samplesPerRun(
  feeds: readonly { input: ModelInput; placement: Placement }[],
  where: string,
): number | undefined {
  const fixed = feeds.flatMap(({ input, placement }) => {
    if (placement.kind === "shared") return [];
    const dim = placement.kind === "stacked" ? input.shape[placement.axis] : 1;
    return typeof dim === "number" ? [{ input, dim }] : [];
  });
  const [first] = fixed;
  const other = fixed.find(({ dim }) => dim !== first?.dim);
  if (first === undefined || other === undefined) return first?.dim;
  throw dataError(
    "shape",
    `Input "${first.input.name}" takes ${first.dim} sample(s) at a time and "${other.input.name}" takes ${other.dim}`,
    where,
    "Give every array as [samples, the model's full input].",
  );
}
