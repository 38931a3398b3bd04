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

/** Extent that a kernel covers, holes of dilation included. */
export function extent(window: Window, axis: number): number {
  return at(window.dilations, axis) * (at(window.kernel, axis) - 1) + 1;
}

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
