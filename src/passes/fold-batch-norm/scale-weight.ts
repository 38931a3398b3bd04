import { elementCount, type Tensor, tensorOf, viewAs } from "../../tensor/tensor.ts";

/**
 * A weight whose channels may be split into groups: seen as [outer, channels of one group, inner], where the
 * outer axis runs through the groups in order. Conv: outer = output channels, channels = input channels / groups;
 * ConvTranspose: outer = input channels, channels = output channels / groups.
 */
export interface Grouping {
  axis: number;
  groups: number;
}

/** Calls `visit(element index, outer index, channel over all groups)` for every element of a weight. */
export function forEachElement(
  dims: readonly number[],
  { axis, groups }: Grouping,
  visit: (index: number, outer: number, channel: number) => void,
): void {
  const outer = elementCount(dims.slice(0, axis));
  const channels = dims[axis] as number;
  const inner = elementCount(dims.slice(axis + 1));
  let index = 0;
  for (let o = 0; o < outer; o++) {
    const first = Math.floor((o * groups) / outer) * channels;
    for (let c = 0; c < channels; c++) for (let i = 0; i < inner; i++) visit(index++, o, first + c);
  }
}

/** The weight with every channel multiplied by its factor. */
export function scaleWeight(weight: Tensor, grouping: Grouping, factors: Float64Array): Tensor {
  const source = viewAs(weight, "float32");
  const result = new Float32Array(source.length);
  forEachElement(weight.dims, grouping, (index, _outer, channel) => {
    result[index] = (source[index] as number) * (factors[channel] as number);
  });
  return tensorOf("float32", weight.dims, result);
}
