import { chooseDotAlgorithm } from "./choose.ts";
import type { GradientBuilder } from "./gradient-builder.ts";

/**
 * Sum of a*c over all axes but the channels (axis 1): [C]. For large maps it is a convolution of a with c as the kernel
 * and each image and channel as a group, which reads both once and stores no product.
 */
export function channelDot(b: GradientBuilder, a: string, c: string, shape: readonly number[]): string {
  const [images = 1, channels = 1, ...spatial] = shape;
  const groups = images * channels;
  if (chooseDotAlgorithm(shape) === "product") return channelSum(b, b.mul(a, c), shape);
  const maps = b.reshape(a, [1, groups, ...spatial]);
  const kernels = b.reshape(c, [groups, 1, ...spatial]);
  const sums = b.op("Conv", [maps, kernels], { group: groups, kernel_shape: spatial });
  return b.sum(b.reshape(sums, [images, channels]), [0]);
}

/**
 * Sum over all axes but the channels (axis 1): [C]. Each map first, then the images: ONNX Runtime's sum over both at once
 * takes up to twice as long.
 */
export function channelSum(b: GradientBuilder, value: string, shape: readonly number[]): string {
  const spatial = shape.map((_, axis) => axis).slice(2);
  return b.sum(b.sum(value, spatial), [0]);
}

/**
 * The sum of all elements, per channel first where there are channels: the layer that computed the value needs the same
 * channel sums for the gradients of its bias and weight scale, so they are computed once.
 */
export function sumByChannels(b: GradientBuilder, value: string, shape: readonly number[]): string {
  if (shape.length < 2) return b.sum(value);
  return b.sum(channelSum(b, value, shape), [0]);
}

/** <gradient, value>, by channels first. */
export function dotByChannels(
  b: GradientBuilder,
  gradient: string,
  { name, shape }: { name: string; shape: readonly number[] },
): string {
  if (shape.length < 2) return b.sum(b.mul(gradient, name));
  return b.sum(channelDot(b, gradient, name, shape), [0]);
}
