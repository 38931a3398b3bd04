import { cloneModel } from "../ir/clone.ts";
import type { Node } from "../ir/model.ts";
import { floats, scalar, type Tensor, tensorOf } from "../tensor/tensor.ts";
import { dropStaleInfo } from "./edit-graph.ts";
import { definePass } from "./define-pass.ts";

/** Turns Constant nodes into initializers of the same name. Constants that are graph outputs stay nodes. */
export const extractConstants = definePass({
  name: "extract-constants",
  run(model, context) {
    if (!model.graph.nodes.some(isConstant)) return model;
    const result = cloneModel(model);
    const { graph } = result;
    const outputs = new Set(graph.outputs.map((value) => value.name));
    const extracted = new Set<Node>();
    for (const node of graph.nodes.filter(isConstant)) {
      const output = node.outputs[0] ?? "";
      const tensor = constantOf(node);
      if (outputs.has(output)) context.refuse(node, "its value is a graph output");
      else if (tensor === undefined) context.refuse(node, "its value is sparse");
      else {
        graph.initializers.set(output, tensor);
        extracted.add(node);
      }
    }
    if (extracted.size === 0) return model;
    graph.nodes = graph.nodes.filter((node) => !extracted.has(node));
    dropStaleInfo(graph);
    return result;
  },
});

function isConstant(node: Node): boolean {
  return node.opType === "Constant" && node.domain === "";
}

/** The value of a Constant node, or undefined when it is sparse. */
export function constantOf(node: Node): Tensor | undefined {
  for (const [name, attribute] of node.attributes) {
    if (name === "value" && attribute.type === "tensor") return attribute.value;
    if (name === "value_float" && attribute.type === "float") return scalar(attribute.value);
    if (name === "value_floats" && attribute.type === "floats") return floats(attribute.value);
    if (name === "value_int" && attribute.type === "int")
      return tensorOf("int64", [], BigInt64Array.of(attribute.value));
    if (name === "value_ints" && attribute.type === "ints")
      return tensorOf("int64", [attribute.value.length], BigInt64Array.from(attribute.value));
    if (name === "value_string" && attribute.type === "string") return stringTensor([], [attribute.value]);
    if (name === "value_strings" && attribute.type === "strings")
      return stringTensor([attribute.value.length], attribute.value);
  }
  return undefined;
}

function stringTensor(dims: number[], strings: Uint8Array[]): Tensor {
  return { dtype: "string", dims, bytes: new Uint8Array(0), strings };
}
