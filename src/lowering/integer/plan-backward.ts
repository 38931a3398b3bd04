import { indexGraph, type GraphIndex } from "../../ir/graph.ts";
import { staticShape } from "../../ir/value-types.ts";
import type { Graph, Node } from "../../ir/model.ts";
import { rowOf } from "../../ops/catalogue/catalogue.ts";
import { gradientDomain, windowProblemOf } from "../../ops/gradient-nodes.ts";
import { fitsCodes } from "./coded-data-grad.ts";
import { isCodedLinear } from "./coded-linear-grad.ts";

/** Name of the output that is the largest absolute value of a gradient. */
export const amaxName = (gradient: string): string => `${gradient}.amax`;

/** Which gradients of an abstract backward are kept as 8-bit codes. */
export interface IntegerBackward {
  /** Float values whose nodes integer kernels replace. */
  coded: ReadonlySet<string>;
  /** Float values that are quantized for those kernels. */
  entries: ReadonlySet<string>;
  /** Data gradients of linear layers: products of codes that are made for each of them, and floats themselves. */
  products: ReadonlySet<string>;
  /** Shapes of the first two, [N, C, ...spatial]. */
  shapes: ReadonlyMap<string, readonly number[]>;
}

/**
 * Finds the data gradients of quantized layers that integer kernels can compute, and the masks and sums between those of
 * convolutions, which then stay among codes. `graph` holds abstract nodes; it is not changed.
 */
export function planIntegerBackward(graph: Graph): IntegerBackward {
  const index = indexGraph(graph);
  const shapes = new Map<string, readonly number[]>();
  const wanted = new Map<string, readonly number[]>();
  const shapeOf = (name: string): readonly number[] | undefined => shapes.get(name) ?? wanted.get(name);
  for (const node of graph.nodes) {
    const output = node.outputs[0] as string;
    if (isCodedConvolution(node)) {
      const { x, y } = windowProblemOf(node);
      shapes.set(output, x);
      wanted.set(node.inputs[0] as string, y);
      continue;
    }
    const shape = outputShape(node, shapeOf, shapes, graph, index);
    if (shape !== undefined) shapes.set(output, shape);
  }
  const entries = [...wanted.keys()].filter((name) => !shapes.has(name));
  return {
    coded: new Set(shapes.keys()),
    entries: new Set(entries),
    products: new Set(graph.nodes.filter(isCodedLinear).map(({ outputs }) => outputs[0] as string)),
    shapes: new Map([...wanted, ...shapes]),
  };
}

/** Whether `planIntegerBackward` makes a gradient of codes, as far as the graph is there. */
export function isCodedIn(graph: Graph, gradient: string): boolean {
  const { coded, products } = planIntegerBackward(graph);
  return coded.has(gradient) || products.has(gradient);
}

/**
 * Shape of a sum or a masked gradient whose operands are there as codes by then; undefined for any other node. It goes by
 * the nodes before it alone, so that the answer does not change while the graph grows.
 */
function outputShape(
  node: Node,
  shapeOf: (name: string) => readonly number[] | undefined,
  coded: ReadonlyMap<string, readonly number[]>,
  graph: Graph,
  index: GraphIndex,
): readonly number[] | undefined {
  if (node.domain !== "") return undefined;
  const [left = "", right = ""] = node.inputs;
  if (node.opType === "Add") {
    const [a, b] = [shapeOf(left), shapeOf(right)];
    if (a === undefined || b === undefined || left === right || !sameShape(a, b)) return undefined;
    return coded.has(left) || coded.has(right) ? a : undefined;
  }
  const masked = node.opType === "Mul" ? maskOf(node, index) : undefined;
  if (masked === undefined) return undefined;
  const shape = coded.get(masked.gradient);
  const mask = staticShape(graph, masked.about);
  return shape !== undefined && mask !== undefined && sameShape(shape, mask) ? shape : undefined;
}

const sameShape = (a: readonly number[], b: readonly number[]): boolean => a.join() === b.join();

const isCodedConvolution = (node: Node): boolean =>
  node.domain === gradientDomain &&
  node.opType === "ConvDataGrad" &&
  node.inputs.length > 2 &&
  fitsCodes(windowProblemOf(node));

/** A product of a gradient and an indicator. */
export interface Masked {
  gradient: string;
  /** The indicator as a boolean. */
  condition: string;
  /** A value of its shape that it is about. */
  about: string;
}

/** The mask of a product, where it is one. */
export function maskOf(node: Node, index: GraphIndex): Masked | undefined {
  const [gradient = "", factor = ""] = node.inputs;
  const cast = index.producer.get(factor);
  if (cast?.opType !== "Cast") return undefined;
  const condition = cast.inputs[0] as string;
  let test = index.producer.get(condition);
  if (test?.opType === "And") test = index.producer.get(test.inputs[0] as string);
  if (test === undefined || rowOf(test)?.kind !== "comparison") return undefined;
  return { gradient, condition, about: test.inputs[0] as string };
}
