import { intsOf, stringOf } from "../ir/attributes.ts";
import type { Node } from "../ir/model.ts";

/** How a window (of a convolution or a pool) moves over the spatial dimensions, all given per dimension. */
export interface Window {
  kernel: number[];
  strides: number[];
  dilations: number[];
  padBegin: number[];
  padEnd: number[];
}

/** A window and the maps that it moves over. */
export interface PlacedWindow extends Window {
  /** [N, C, ...spatial] of the forward input. */
  x: number[];
  /** [N, C, ...spatial] of the forward output. */
  y: number[];
}

/** How far a window's last tap lies behind its first on each axis: dilation*(kernel - 1). */
export const spanOf = ({ kernel, dilations }: Window): number[] =>
  kernel.map((size, axis) => at(dilations, axis) * (size - 1));

/** Extent that a kernel covers, holes of dilation included. */
export const extent = (window: Window, axis: number): number => at(spanOf(window), axis) + 1;

/**
 * How many elements behind the end of x the last tap meets at y's last position on each axis; negative where it stays
 * within x: (y - 1)*stride + span + 1 - padBegin - x.
 */
export function overhangOf(window: PlacedWindow): number[] {
  return spanOf(window).map((span, axis) => {
    const last = (at(window.y, axis + 2) - 1) * at(window.strides, axis) + span;
    return last + 1 - at(window.padBegin, axis) - at(window.x, axis + 2);
  });
}

/** Zeros that x needs behind it on each axis so that every tap meets an element at every position of y. */
export const zerosBehind = (window: PlacedWindow): number[] =>
  overhangOf(window).map((count) => Math.max(0, count));

/**
 * The window of a Conv, ConvTranspose-free, or pooling node over an input of the given spatial shape, with
 * `auto_pad` resolved to explicit pads as the ONNX specification of Conv and MaxPool does.
 */
export function windowOf(node: Node, spatial: readonly number[], kernelShape: readonly number[]): Window {
  const ones = spatial.map(() => 1);
  const window: Window = {
    kernel: [...kernelShape],
    strides: intsOf(node, "strides") ?? ones,
    dilations: intsOf(node, "dilations") ?? ones,
    padBegin: spatial.map(() => 0),
    padEnd: spatial.map(() => 0),
  };
  const mode = stringOf(node, "auto_pad", "NOTSET");
  const pads = intsOf(node, "pads");
  if (mode === "NOTSET" && pads !== undefined) {
    window.padBegin = pads.slice(0, spatial.length);
    window.padEnd = pads.slice(spatial.length);
  }
  if (mode === "SAME_UPPER" || mode === "SAME_LOWER") padSame(window, spatial, mode === "SAME_UPPER");
  return window;
}

/** Output size is ceil(input / stride); the odd pad goes to the end (upper) or to the beginning. */
function padSame(window: Window, spatial: readonly number[], upper: boolean): void {
  spatial.forEach((size, axis) => {
    const stride = at(window.strides, axis);
    const total = Math.max(0, (Math.ceil(size / stride) - 1) * stride + extent(window, axis) - size);
    const small = Math.floor(total / 2);
    window.padBegin[axis] = upper ? small : total - small;
    window.padEnd[axis] = upper ? total - small : small;
  });
}

/** Element `index`, which must exist. */
function at(values: readonly number[], index: number): number {
  const value = values[index];
  if (value === undefined) throw new RangeError(`no element ${index} in a list of ${values.length}`);
  return value;
}
