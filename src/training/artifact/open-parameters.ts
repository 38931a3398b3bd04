import { InternalError } from "../../errors.ts";
import { snappedBiasNames } from "../../ir/derived-names.ts";
import { createNode, createValue, type NodeFields } from "../../ir/graph.ts";
import type { Graph, Node } from "../../ir/model.ts";
import { scalar } from "../../tensor/tensor.ts";
import { dataTypes } from "../../tensor/data-type.ts";

/** Turns initializers of `graph` (changed in place) into graph inputs of the same type and shape, in this order. */
export function openInitializers(graph: Graph, names: readonly string[]): void {
  for (const name of names) {
    const tensor = graph.initializers.get(name);
    if (tensor === undefined) throw new InternalError(`the graph has no initializer "${name}" to feed`);
    graph.initializers.delete(name);
    graph.initializerInfo.delete(name);
    graph.inputs.push(createValue(name, tensor.dtype, tensor.dims));
  }
}

/** An activation quantizer's zero point as a float graph input. */
export interface OpenZeroPoint {
  /** The new float32 scalar input. */
  input: string;
  /** The integer value that the quantizer reads; so far a graph input. */
  codes: string;
  qmin: number;
  qmax: number;
}

/**
 * Replaces integer zero-point inputs by float ones (graph changed in place): clip(round(input), qmin, qmax),
 * cast to the integer type. The gradient passes straight through the rounding.
 */
export function openZeroPoints(graph: Graph, zeroPoints: readonly OpenZeroPoint[]): void {
  const nodes: Node[] = [];
  for (const zeroPoint of zeroPoints) {
    const position = graph.inputs.findIndex(({ name }) => name === zeroPoint.codes);
    const type = graph.inputs[position]?.type;
    if (type?.kind !== "tensor") throw new InternalError(`no zero-point input "${zeroPoint.codes}"`);
    graph.inputs[position] = createValue(zeroPoint.input, "float32", []);
    nodes.push(...roundedZeroPoint(graph, zeroPoint, dataTypes[type.dtype].code));
    graph.valueInfo.set(zeroPoint.codes, createValue(zeroPoint.codes, type.dtype, []));
  }
  graph.nodes.unshift(...nodes);
}

function roundedZeroPoint(graph: Graph, zeroPoint: OpenZeroPoint, type: number): Node[] {
  const bound = (value: number): string => {
    const name = `zero_point.bound.${value}`;
    graph.initializers.set(name, scalar(value));
    return name;
  };
  const { input, codes } = zeroPoint;
  return [
    plainNode("Round", [input], `${input}.rounded`),
    plainNode("Clip", [`${input}.rounded`, bound(zeroPoint.qmin), bound(zeroPoint.qmax)], `${input}.clipped`),
    plainNode("Cast", [`${input}.clipped`], codes, { to: type }),
  ];
}

/** A bias that is int32 codes in the deployed model. */
export interface SnappedBias {
  bias: string;
  /** The two scales whose product is the codes' own, as values of the graph: the input's, and the weight's rows'. */
  activationScale: string;
  weightScale: string;
}

/**
 * Puts what the deployed model holds of each bias, round(b / (s_x * s_w)) * (s_x * s_w), in the place of b wherever it is
 * read (graph changed in place). The gradient passes straight through. At 4 bits the step is coarse enough to move codes.
 */
export function snapGraphBiases(graph: Graph, biases: readonly SnappedBias[]): void {
  const read = new Map(biases.map(({ bias }) => [bias, snappedBiasNames(bias).snapped]));
  for (const node of graph.nodes) node.inputs = node.inputs.map((name) => read.get(name) ?? name);
  graph.nodes.unshift(
    ...biases.flatMap(({ bias, activationScale, weightScale }) => {
      const { step, ratio, codes, snapped } = snappedBiasNames(bias);
      return [
        plainNode("Mul", [activationScale, weightScale], step),
        plainNode("Div", [bias, step], ratio),
        plainNode("Round", [ratio], codes),
        plainNode("Mul", [codes, step], snapped),
      ];
    }),
  );
}

const plainNode = (
  opType: string,
  inputs: string[],
  output: string,
  attributes: NodeFields["attributes"] = {},
): Node => createNode({ name: `${output}/${opType}`, opType, inputs, outputs: [output], attributes });
