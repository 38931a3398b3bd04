import { InternalError } from "../../errors.ts";
import { createValue } from "../../ir/graph.ts";
import type { Graph, Node } from "../../ir/model.ts";
import { attributesOf } from "../../ir/attributes.ts";
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
    { ...plainNode("Cast", [`${input}.clipped`], codes), attributes: attributesOf({ to: type }) },
  ];
}

function plainNode(opType: string, inputs: string[], output: string): Node {
  return {
    name: `${output}/${opType}`,
    opType,
    domain: "",
    overload: "",
    inputs,
    outputs: [output],
    attributes: new Map(),
    docString: "",
    metadata: new Map(),
  };
}
