import { Emitter } from "../../ir/emit.ts";
import { indexGraph } from "../../ir/graph.ts";
import type { Graph, Node } from "../../ir/model.ts";
import { shapeOf } from "../../ir/value-types.ts";
import { ints } from "../../tensor/tensor.ts";

/**
 * Puts reshapes around every DequantizeLinear of an activation that several nodes read, in place. ONNX Runtime (1.30,
 * 1.32) gives the codes of integer convolutions another layout, and with session.disable_quant_qdq it moves the change
 * back through a DequantizeLinear for one reader and leaves the others with the other layout: the graph does not load or,
 * where sizes are equal, computes something else. It does not move it through a change of rank.
 */
export function keepLayouts(graph: Graph): void {
  const { consumers } = indexGraph(graph);
  const nodes = graph.nodes;
  const emit = new Emitter(graph);
  graph.nodes = [];
  for (const node of nodes) {
    const [value = "", shape] = [node.outputs[0], shapeOf(graph, node.outputs[0] ?? "")];
    const sizes = (shape ?? []).slice(1).filter((dim) => typeof dim === "number");
    const shared = (consumers.get(value) ?? []).length > 1;
    if (!isActivation(node) || !shared || sizes.length < 2 || sizes.length + 1 !== shape?.length) {
      graph.nodes.push(node);
      continue;
    }
    emit.standFor(node);
    const [codes = "", ...step] = node.inputs;
    const flat = emit.op("Reshape", [codes, emit.constant(ints([0, -1]))]);
    const values = emit.op("DequantizeLinear", [flat, ...step]);
    emit.op("Reshape", [values, emit.constant(ints([0, ...sizes]))], {}, { outputs: [value] });
  }
}

/** One scale for all, as activations have it: the axis does not matter. */
const isActivation = ({ opType, domain, inputs }: Node): boolean =>
  opType === "DequantizeLinear" && domain === "" && (inputs[2] ?? "") !== "";
