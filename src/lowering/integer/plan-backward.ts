import type { Graph, Node } from "../../ir/model.ts";
import { gradientDomain, windowProblemOf } from "../../ops/gradient-nodes.ts";
import { fitsCodes } from "./coded-data-grad.ts";
import { isCodedLinear } from "./coded-linear-grad.ts";

/** Name of the output that is the largest absolute value of a gradient. */
export const amaxName = (gradient: string): string => `${gradient}.amax`;

/** Which gradients of an abstract backward are kept as 8-bit codes. */
export interface IntegerBackward {
  /** Gradients that integer kernels compute as codes. */
  coded: ReadonlySet<string>;
  /** Float gradients that are quantized because those kernels read them. */
  entries: ReadonlySet<string>;
  /** Data gradients of linear layers: float results of an integer product, for which dy is quantized on the spot. */
  products: ReadonlySet<string>;
  /** Shapes of the first two, [N, C, ...spatial]. */
  shapes: ReadonlyMap<string, readonly number[]>;
}

/**
 * Finds the data gradients of quantized layers that integer kernels can compute, and the masks and sums between those of
 * convolutions, which then stay among codes. `graph` holds abstract nodes; it is not changed.
 */
export function planIntegerBackward(graph: Graph): IntegerBackward {
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
    const shape = outputShape(node, shapeOf, shapes);
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

/** Shape of a sum or a masked gradient whose operands are there as codes by then; undefined for any other node. */
function outputShape(
  node: Node,
  shapeOf: (name: string) => readonly number[] | undefined,
  coded: ReadonlyMap<string, readonly number[]>,
): readonly number[] | undefined {
  const [left = "", right = ""] = node.inputs;
  if (isMask(node)) return coded.get(left);
  if (node.domain !== "" || node.opType !== "Add") return undefined;
  const [a, b] = [shapeOf(left), shapeOf(right)];
  if (a === undefined || b === undefined || left === right || !sameShape(a, b)) return undefined;
  return coded.has(left) || coded.has(right) ? a : undefined;
}

/**
 * The graph with the inner products of gradients that are rounded to codes multiplied out and summed: identities that
 * replace them by cheaper expressions hold for exact gradients only.
 */
export function withoutShortcuts(graph: Graph, { coded, products }: IntegerBackward): Graph {
  const isRounded = ({ domain, opType, inputs: [g = ""] }: Node): boolean =>
    domain === gradientDomain && opType === "InnerProduct" && (coded.has(g) || products.has(g));
  const nodes = graph.nodes.map((node) =>
    isRounded(node) ? { ...node, inputs: node.inputs.slice(0, 2) } : node,
  );
  return { ...graph, nodes };
}

const isMask = ({ domain, opType }: Node): boolean => domain === gradientDomain && opType === "MaskedGrad";

const sameShape = (a: readonly number[], b: readonly number[]): boolean => a.join() === b.join();

const isCodedConvolution = (node: Node): boolean =>
  node.domain === gradientDomain &&
  node.opType === "ConvDataGrad" &&
  node.inputs.length > 2 &&
  fitsCodes(windowProblemOf(node));
