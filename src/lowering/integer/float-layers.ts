import { indexGraph } from "../../ir/graph.ts";
import type { Graph, Node } from "../../ir/model.ts";
import { weightPortOf } from "../../ops/catalogue/ports.ts";
import type { IntegerForward } from "./integer-forward.ts";
import { kernelOf } from "./kernels.ts";
import { operandOf } from "./operands.ts";

/** A node that computes in float, and why. */
export interface FloatLayer {
  node: string;
  op: string;
  reason: string;
}

/** Of the layers `layers` (node names), those for which no integer kernel was planned, each with the reason. */
export function explainFloatLayers(
  forward: Graph,
  places: IntegerForward,
  layers: ReadonlySet<string>,
): FloatLayer[] {
  const index = indexGraph(forward);
  const isCodes = (name = ""): boolean => operandOf(name, forward, index) !== undefined;
  const reasonOf = (node: Node): string => {
    if (kernelOf(node) === undefined)
      return `no integer kernel computes ${node.opType} in the training forward`;
    const slots = [0, weightPortOf(node)?.weight ?? 1];
    const float = slots.map((slot) => node.inputs[slot]).find((name) => !isCodes(name));
    if (float !== undefined) {
      const producer = index.producer.get(float);
      const source = producer === undefined ? "" : `, made by "${producer.name}" (${producer.opType})`;
      return `its input "${float}" is float in the training graph${source}`;
    }
    const [output = ""] = node.outputs;
    const [reader, ...more] = index.consumers.get(output) ?? [];
    if (more.length > 0) return "its output is read as float, too";
    if (reader?.opType === "Clip") return "a Clip stands between it and its quantizer";
    return "nothing quantizes its output, or its attributes or operators are none that a kernel takes here";
  };
  return forward.nodes
    .filter((node) => layers.has(node.name) && !places.has(node.name) && weightPortOf(node) !== undefined)
    .map((node) => ({ node: node.name, op: node.opType, reason: reasonOf(node) }));
}
