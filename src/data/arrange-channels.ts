import { dataError, type UserError } from "../errors.ts";
import { dataTypes } from "../tensor/data-type.ts";
import type { Layout } from "./image.ts";
import type { NpyArray } from "./loaders/npy.ts";
import type { ModelInput } from "./model-input.ts";

/** Where each dimension of [samples, ...] comes from when channels move, by the layout that an array has. */
const orders: Readonly<Record<Layout, readonly [number, number, number, number]>> = {
  nhwc: [0, 3, 1, 2],
  nchw: [0, 2, 3, 1],
};

/** An array as an input takes it, and the layout that it had, where that was another. */
export interface Arranged {
  array: NpyArray;
  from?: Layout;
}

/** Channels that pictures have at most. */
const mostChannels = 4;

/**
 * An array of images with its channels where the input has them. `layout` is the array's, where that is not the input's; without
 * it channels move where the shapes leave no doubt: one order alone fits, and either the input's sizes are all known or what
 * becomes channels are few. Throws UserError data/layout where moving them would do and the shapes do not tell.
 */
export function arrangeChannels(array: NpyArray, input: ModelInput, layout: Layout | undefined): Arranged {
  const { dims } = array;
  if (dims.length !== 4 || input.shape.length !== 4 || fits(dims, input)) return { array };
  const fitting = (["nhwc", "nchw"] as const).filter((each) => fits(moved(dims, orders[each]), input));
  const [own, other] = fitting;
  if (own === undefined) return { array };
  const certain = other === undefined && isCertain(dims, own, input);
  const from = layout ?? (certain ? own : undefined);
  if (from !== undefined && fitting.includes(from)) return { array: moveChannels(array, orders[from]), from };
  throw doubtful(array, input, fitting);
}

/** Whether the only order that fits can be meant: all sizes agree, or few channels lie beside larger maps. */
function isCertain(dims: readonly number[], own: Layout, { shape }: ModelInput): boolean {
  if (shape.slice(1).every((dim) => typeof dim === "number")) return true;
  const [, a = 0, b = 0, c = 0] = dims;
  const [channels, ...sides] = own === "nhwc" ? [c, a, b] : [a, b, c];
  return channels <= mostChannels && sides.every((side) => side > mostChannels);
}

function doubtful({ dims, where }: NpyArray, input: ModelInput, fitting: readonly Layout[]): UserError {
  const shape = input.shape.map((dim) => dim ?? "?").join(", ");
  return dataError(
    "layout",
    `The data have the shape [${dims.join(", ")}] where input "${input.name}" takes [${shape}], which they fit with their channels moved`,
    where,
    `Say where the data have them: --layout ${fitting.join(" or --layout ")}.`,
  );
}

const moved = (dims: readonly number[], order: readonly number[]): number[] =>
  order.map((axis) => dims[axis] as number);

const fits = (dims: readonly number[], { shape }: ModelInput): boolean =>
  shape.every((dim, axis) => axis === 0 || typeof dim !== "number" || dim === dims[axis]);

function moveChannels(array: NpyArray, order: readonly number[]): NpyArray {
  const dims = moved(array.dims, order);
  const [, a = 1, b = 1, c = 1] = array.dims;
  const steps = [0, b * c, c, 1];
  const [, stepA = 0, stepB = 0, stepC = 0] = order.map((axis) => steps[axis] as number);
  const [, newA = 1, newB = 1, newC = 1] = dims;
  const width = dataTypes[array.dtype].bits / 8;
  return {
    ...array,
    dims,
    async readRows(indices) {
      const rows = await array.readRows(indices);
      const result = new Uint8Array(rows.byteLength);
      let at = 0;
      for (let row = 0; row < indices.length; row++)
        for (let i = 0; i < newA; i++)
          for (let j = 0; j < newB; j++)
            for (let k = 0; k < newC; k++, at += width) {
              const from = (row * a * b * c + i * stepA + j * stepB + k * stepC) * width;
              for (let byte = 0; byte < width; byte++) result[at + byte] = rows[from + byte] as number;
            }
      return result;
    },
  };
}
