import type { GradientBuilder } from "./gradient-builder.ts";

/**
 * ONNX Runtime's operators on channels in blocks: a map of the channels of a block is stored as one, position by
 * position. Contrib operators of stock builds for processors whose blocked kernels they have; elsewhere a graph with
 * them does not load, so that only trials choose them.
 */
export const nchwcDomain = "com.microsoft.nchwc";

/** Channels of the largest block: a multiple of it fills blocks of every size. */
export const nchwcBlock = 16;

/** [N, C, H, W] in blocks. */
export const toBlocks = (b: GradientBuilder, value: string): string =>
  b.op("ReorderInput", [value], {}, nchwcDomain);

/** [N, C, H, W] of a value in blocks that has so many channels. */
export const fromBlocks = (b: GradientBuilder, value: string, channels: number): string =>
  b.op("ReorderOutput", [value], { channels, channels_last: 0 }, nchwcDomain);

/** The window of a convolution of two axes. Kernels of ONNX Runtime do not check pads: they must not be negative. */
export interface BlockedWindow {
  kernel: readonly number[];
  strides: readonly number[];
  dilations: readonly number[];
  pads: readonly number[];
}

/**
 * A depthwise convolution of `channels` channels in blocks, a multiple of `nchwcBlock`. The weight's rows, [1, C, Kh, Kw]
 * in blocks, lie as the weight that the kernel takes, [C, 1, Kh, Kw] with blocks of rows.
 */
export function depthwiseInBlocks(
  b: GradientBuilder,
  value: string,
  weight: string,
  channels: number,
  { kernel, strides, dilations, pads }: BlockedWindow,
): string {
  return b.op(
    "Conv",
    [value, b.reshape(weight, [channels, 1, ...kernel])],
    {
      group: channels,
      kernel_shape: [...kernel],
      strides: [...strides],
      dilations: [...dilations],
      pads: [...pads],
    },
    nchwcDomain,
  );
}
