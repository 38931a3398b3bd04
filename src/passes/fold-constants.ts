import { cloneModel } from "../ir/clone.ts";
import { createGraph, readNames } from "../ir/graph.ts";
import { subgraphsOf } from "../ir/attributes.ts";
import type { Graph, Model, Node } from "../ir/model.ts";
import { rowOf } from "../ops/catalogue/catalogue.ts";
import { withSession } from "../runtime/open-model.ts";
import { transferable } from "../runtime/session.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { dropStaleInfo } from "./edit-graph.ts";
import { definePass, type PassContext } from "./define-pass.ts";

/** Results larger than this are computed at run time unless they are no larger than what they are made from. */
const largestGrowth = 1 << 20;

/** Whether a node is no function of its inputs, or makes the codes that a quantized model is there for. */
const isUnfoldable = (node: Node): boolean => ["random", "codes"].includes(rowOf(node)?.kind ?? "");

/**
 * Computes nodes whose inputs are all constant, by running just those nodes in ONNX Runtime (unoptimized, one
 * thread), and stores the results as initializers of the same names.
 */
export const foldConstants = definePass({
  name: "fold-constants",
  async run(model, context) {
    const nodes = constantNodes(model, context);
    if (nodes.length === 0) return model;
    const values = await evaluate(model, nodes);
    return replaceByValues(model, nodes, values, context);
  },
});

/** Nodes that depend on constants alone, in graph order. */
function constantNodes(model: Model, context: PassContext): Node[] {
  const known = new Set(model.graph.initializers.keys());
  for (const input of model.graph.inputs) known.delete(input.name);
  const outputs = new Set(model.graph.outputs.map((value) => value.name));
  const nodes: Node[] = [];
  for (const node of model.graph.nodes) {
    if (!readNames(node).every((name) => known.has(name))) continue;
    const reason = reasonNotToFold(node, outputs);
    if (reason !== undefined) {
      context.refuse(node, reason);
      continue;
    }
    nodes.push(node);
    for (const output of node.outputs) known.add(output);
  }
  return nodes;
}

function reasonNotToFold(node: Node, outputs: ReadonlySet<string>): string | undefined {
  if (isUnfoldable(node)) return `${node.opType} is not folded`;
  if (subgraphsOf(node).length > 0) return "it has subgraphs";
  if (node.outputs.some((output) => outputs.has(output))) return "its value is a graph output";
  return undefined;
}

/** Outputs of `nodes` that other nodes read. */
function boundary(graph: Graph, nodes: readonly Node[]): string[] {
  const folded = new Set(nodes);
  const read = new Set(graph.nodes.filter((node) => !folded.has(node)).flatMap(readNames));
  return nodes.flatMap((node) => node.outputs).filter((name) => name !== "" && read.has(name));
}

/** Runs `nodes` alone and returns all their values, except those the runtime's binding cannot hand over. */
async function evaluate(model: Model, nodes: readonly Node[]): Promise<Map<string, Tensor>> {
  const graph = createGraph("constants");
  graph.nodes = [...nodes];
  for (const name of nodes.flatMap(readNames)) {
    const tensor = model.graph.initializers.get(name);
    if (tensor !== undefined) graph.initializers.set(name, tensor);
  }
  const names = nodes.flatMap((node) => node.outputs).filter((name) => name !== "");
  graph.outputs = names.map((name) => ({ name, type: undefined }));
  const constants = { ...model, irVersion: Math.max(model.irVersion, 8), graph };
  return withSession(constants, { optimization: "disabled", threads: 1 }, async (session) => {
    const ports = session.outputs.filter((port) => port.tensor && transferable.has(port.dtype));
    if (ports.length === 0) return new Map<string, Tensor>();
    const fetches = ports.map((port) => port.name);
    return new Map(Object.entries(await session.run({}, fetches)));
  });
}

/** Puts values in place; nodes all of whose readers are served become unused and go. */
function replaceByValues(
  model: Model,
  nodes: readonly Node[],
  values: ReadonlyMap<string, Tensor>,
  context: PassContext,
): Model {
  const { initializers } = model.graph;
  const drop = new Set<Node>();
  const served = new Map<string, Tensor>();
  const needed = new Set(boundary(model.graph, nodes));
  for (const node of nodes.toReversed()) {
    const outputs = node.outputs.filter((name) => needed.has(name));
    const sources = readNames(node).reduce(
      (sum, name) => sum + (initializers.get(name)?.bytes.byteLength ?? 0),
      0,
    );
    const size = outputs.reduce((sum, name) => sum + (values.get(name)?.bytes.byteLength ?? 0), 0);
    const all = outputs.every((name) => values.has(name));
    if (all && (size <= largestGrowth || size <= sources)) {
      drop.add(node);
      for (const name of outputs) served.set(name, values.get(name) as Tensor);
      continue;
    }
    context.refuse(node, all ? `its value has ${size} bytes` : "its value cannot be read back");
    for (const name of readNames(node)) needed.add(name);
  }
  return drop.size === 0 ? model : withoutNodes(model, drop, served);
}

function withoutNodes(model: Model, drop: ReadonlySet<Node>, values: ReadonlyMap<string, Tensor>): Model {
  const nodes = model.graph.nodes.filter((node) => !drop.has(node));
  const result = cloneModel({ ...model, graph: { ...model.graph, nodes } });
  for (const [name, tensor] of values) result.graph.initializers.set(name, tensor);
  dropStaleInfo(result.graph);
  return result;
}
