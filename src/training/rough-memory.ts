import { bindOpen, shapeOf, typeOf } from "../ir/value-types.ts";
import type { Graph, Model, Node } from "../ir/model.ts";
import { weightBytes } from "../runtime/open-model.ts";
import { dataTypes } from "../tensor/data-type.ts";
import { elementCount } from "../tensor/tensor.ts";

/** Bytes of a value with so many samples; 0 where its shape is not known. */
function bytesOf(graph: Graph, name: string, samples: number): number {
  const type = typeOf(graph, name);
  const shape = shapeOf(graph, name);
  if (type?.kind !== "tensor" || shape === undefined) return 0;
  return (elementCount(bindOpen(shape, samples)) * dataTypes[type.dtype].bits) / 8;
}

const nodeBytes = (graph: Graph, { outputs }: Node, samples: number): number =>
  outputs.reduce((sum, name) => sum + (name === "" ? 0 : bytesOf(graph, name, samples)), 0);

/** Bytes of all that a float model computes on so many samples, whether it is there at the same time or not. */
export const valueBytes = ({ graph }: Model, samples: number): number =>
  graph.nodes.reduce((sum, node) => sum + nodeBytes(graph, node, samples), 0);

/** Bytes of the largest node's operands and results: what a run takes at least. */
export function largestNode({ graph }: Model, samples: number): { node: string; bytes: number } {
  let largest = { node: "", bytes: 0 };
  for (const node of graph.nodes) {
    const inputs = node.inputs.filter((name) => name !== "" && !graph.initializers.has(name));
    const bytes =
      nodeBytes(graph, node, samples) + inputs.reduce((sum, name) => sum + bytesOf(graph, name, samples), 0);
    if (bytes > largest.bytes) largest = { node: node.name, bytes };
  }
  return largest;
}

/** Times over that training keeps what the forward computes, and the weights, at the very most; and what processes take. */
const [valueCopies, weightCopies, processes] = [6, 10, 6e8];

/**
 * More than training a model takes, from the shapes of its forward alone: where this fits, no graph needs to be built to
 * know that the rest does.
 */
export const roughTrainingBytes = (model: Model, samples: number): number =>
  valueCopies * valueBytes(model, samples) + weightCopies * weightBytes(model) + processes;
