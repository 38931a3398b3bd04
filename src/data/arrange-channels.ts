import { dataError } from "../errors.ts";
import { dataTypes } from "../tensor/data-type.ts";
import type { Layout } from "./image.ts";
import type { NpyArray } from "./loaders/npy.ts";
import type { ModelInput } from "./model-input.ts";

/** Where each dimension of [samples, ...] comes from when channels move, by the layout that an array has. */
const orders: Readonly<Record<Layout, readonly [number, number, number, number]>> = {
  nhwc: [0, 3, 1, 2],
  nchw: [0, 2, 3, 1],
};

/**
 * An array of images with its channels where the input has them. `layout` is the array's, where that is not the input's.
 * Throws UserError data/layout where moving the channels would make the array fit and nobody asked for it.
 */
export function arrangeChannels(array: NpyArray, input: ModelInput, layout: Layout | undefined): NpyArray {
  const { dims, where } = array;
  if (dims.length !== 4 || input.shape.length !== 4 || fits(dims, input)) return array;
  const own = (["nhwc", "nchw"] as const).find((each) => fits(moved(dims, orders[each]), input));
  if (own === undefined) return array;
  if (own === layout) return moveChannels(array, orders[own]);
  const [last, first] = own === "nhwc" ? ["last", "first"] : ["first", "last"];
  throw dataError(
    "layout",
    `The data have the shape [${dims.join(", ")}], with channels ${last}, where input "${input.name}" takes [${input.shape.map((dim) => dim ?? "?").join(", ")}], with channels ${first}`,
    where,
    `Say that the data have them ${last} with --layout ${own}.`,
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
