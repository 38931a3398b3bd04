import type { Node } from "../ir/model.ts";
import type { GradientBuilder } from "./gradient-builder.ts";

/**
 * Appends nodes to the builder's graph. Where `replace` emits other nodes for one and returns their value, that value
 * gets the name of the node's output; if it is an input of the node, later nodes read that input instead. The given
 * nodes are changed.
 */
export function replaceNodes(
  b: GradientBuilder,
  nodes: readonly Node[],
  replace: (node: Node) => string | undefined,
): void {
  const { graph } = b.emitter;
  const read = new Set(nodes.flatMap(({ inputs }) => inputs));
  const passed = new Map<string, string>();
  for (const node of nodes) {
    node.inputs = node.inputs.map((name) => passed.get(name) ?? name);
    const [output = ""] = node.outputs;
    const since = graph.nodes.length;
    b.emitter.standFor(node);
    const value = replace(node);
    if (value === undefined) graph.nodes.push(node);
    else if (node.inputs.includes(value) && read.has(output)) passed.set(output, value);
    else b.nameOutput(value, output, since);
  }
}
