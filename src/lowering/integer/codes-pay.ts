import { indexGraph, type GraphIndex } from "../../ir/graph.ts";
import type { Graph, Node } from "../../ir/model.ts";
import { gradientDomain, windowProblemOf } from "../../ops/gradient-nodes.ts";
import { elementCount } from "../../tensor/tensor.ts";
import { linearSize } from "./coded-linear-grad.ts";
import type { IntegerBackward } from "./plan-backward.ts";

/**
 * Fewest multiply-adds on integer kernels per element that is quantized or dequantized, for which the kernels save more
 * time than these conversions cost. ResNets and Inceptions have 190 to 890, and their backward in codes is up to twice
 * as fast; networks of depthwise convolutions (MobileNets, EfficientNets) have 24 to 53, and theirs is slower.
 */
const leastWork = 80;

/** An estimate of whether a backward is faster with the planned gradients in codes, from shapes alone. */
export function codesPay(graph: Graph, plan: IntegerBackward): boolean {
  const { work, moved } = weighCodes(graph, plan);
  return work > leastWork * moved;
}

/** `work`: multiply-adds of the planned data gradients. `moved`: elements that are turned into codes and back. */
export function weighCodes(graph: Graph, plan: IntegerBackward): { work: number; moved: number } {
  const index = indexGraph(graph);
  const elements = (name: string): number => elementCount(plan.shapes.get(name) ?? []);
  const leaving = [...plan.coded].filter((name) => leavesCodes(name, plan, index));
  const total = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0);
  const convolutions = graph.nodes.filter(
    (node) => node.opType === "ConvDataGrad" && plan.coded.has(node.outputs[0] as string),
  );
  const linear = graph.nodes
    .filter((node) => plan.products.has(node.outputs[0] as string))
    .map((node) => linearSize(node));
  return {
    work:
      total(convolutions.map(workOf)) +
      total(linear.map(({ tokens, inputs, outputs }) => tokens * inputs * outputs)),
    moved:
      total([...plan.entries, ...leaving].map(elements)) +
      total(linear.map(({ tokens, inputs, outputs }) => tokens * (inputs + outputs))),
  };
}

/** Multiply-adds of an ungrouped convolution's data gradient. */
function workOf(node: Node): number {
  const { x, y, kernel } = windowProblemOf(node);
  return elementCount(y) * (x[1] as number) * elementCount(kernel);
}

/** Whether something reads a coded gradient in float. Sums over maps and weight gradients read its codes. */
function leavesCodes(name: string, { coded }: IntegerBackward, index: GraphIndex): boolean {
  const readers = index.consumers.get(name) ?? [];
  const readsCodes = (node: Node): boolean =>
    coded.has(node.outputs[0] as string) ||
    node.opType === "ReduceSum" ||
    (node.domain === gradientDomain && node.opType === "ConvWeightGrad");
  return !readers.every(readsCodes);
}
