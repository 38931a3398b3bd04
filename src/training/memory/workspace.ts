import { intOf, intsOf } from "../../ir/attributes.ts";
import type { Node } from "../../ir/model.ts";
import { elementCount } from "../../tensor/tensor.ts";
import type { Extent } from "./executed-graph.ts";

/** Elements that a thread takes at least for a piece of a convolution. */
const segment = 128 * 128;

/**
 * Bytes that a kernel asks for while it runs, of the kinds that grow with the tensors: convolutions write windows out as
 * columns, those over several images or groups one image per thread.
 */
export function workspaceOf(node: Node, extents: ReadonlyMap<string, Extent>, threads: number): number {
  if (node.opType === "Conv" && node.domain === "") return columnBytes(node, extents, threads);
  if (node.opType === "QLinearConv") return integerBytes(node, extents);
  const [input, weight] = node.inputs.map((name) => extents.get(name));
  if (node.opType !== "ConvTranspose" || input === undefined || weight === undefined) return 0;
  return elementCount(weight.shape.slice(1)) * elementCount(input.shape.slice(2)) * input.item;
}

function columnBytes(node: Node, extents: ReadonlyMap<string, Extent>, threads: number): number {
  const [input, weight] = node.inputs.map((name) => extents.get(name));
  const output = extents.get(node.outputs[0] ?? "");
  if (input === undefined || weight === undefined || output === undefined) return 0;
  const [filters = 1, channels = 1, ...kernel] = weight.shape;
  const positions = elementCount(output.shape.slice(2));
  const ones = (values: readonly number[] = []): boolean => values.every((value) => value === 1);
  const padded = (intsOf(node, "pads") ?? []).some((pad) => pad !== 0);
  if (ones(kernel) && ones(intsOf(node, "strides")) && !padded) return 0;
  const group = intOf(node, "group", 1);
  const depth = channels * elementCount(kernel);
  const columns = positions * depth;
  const products = (input.shape[0] ?? 1) * group;
  if (filters / group > positions) return columns * input.item;
  if (products === 1) return threads * segment * input.item;
  return Math.min(threads, products) * Math.max(columns, (filters / group) * positions, segment) * input.item;
}

/**
 * Of one image at a time: windows as columns of codes, sums of 32 bits, and x and y with their channels last where they have
 * them first.
 */
function integerBytes(node: Node, extents: ReadonlyMap<string, Extent>): number {
  const [input, weight] = [node.inputs[0], node.inputs[3]].map((name) => extents.get(name ?? ""));
  const output = extents.get(node.outputs[0] ?? "");
  if (input === undefined || weight === undefined || output === undefined) return 0;
  const [filters = 1, channels = 1, ...kernel] = weight.shape;
  const [images = 1] = output.shape;
  const positions = elementCount(output.shape) / (images * filters);
  const [pads, strides] = [intsOf(node, "pads") ?? [], intsOf(node, "strides") ?? []];
  const pointwise =
    elementCount(kernel) === 1 && [...strides, ...pads.map((pad) => pad + 1)].every((n) => n === 1);
  const depthwise = channels === 1 && intOf(node, "group", 1) === filters;
  const columns = pointwise || depthwise ? 0 : intOf(node, "group", 1) * channels * elementCount(kernel);
  const reordered = intOf(node, "channels_last", 0) === 1 ? 0 : (input.bytes + output.bytes) / images;
  return positions * (columns + filters * Int32Array.BYTES_PER_ELEMENT) + reordered;
}
