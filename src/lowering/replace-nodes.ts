import type { Node } from "../ir/model.ts";
import type { GradientBuilder } from "./gradient-builder.ts";

/**
 * Appends nodes to the builder's graph, each as it is, or what `replace` emits for it: the value that then has the name of
 * its output. Where that is one of the node's inputs, those that would read the output read it instead. Nodes are changed.
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
