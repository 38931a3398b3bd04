import { cloneModel } from "../ir/clone.ts";
import { createGraph, readNames } from "../ir/graph.ts";
import { subgraphsOf } from "../ir/attributes.ts";
import type { Graph, Model, Node } from "../ir/model.ts";
import { rowOf } from "../ops/catalogue/catalogue.ts";
import { withSession } from "../runtime/open-model.ts";
import { type PortType, transferable } from "../runtime/session.ts";
import { byteLength } from "../tensor/data-type.ts";
import { elementCount, type Tensor } from "../tensor/tensor.ts";
import { dropStaleInfo } from "./edit-graph.ts";
import { definePass, type PassContext } from "./define-pass.ts";
import { bareModel } from "./probe-model.ts";
import { isOverLimit, largestConstants, runLimits } from "./preparation-limits.ts";

/** Results larger than this are computed at run time unless they are no larger than what they are made from. */
const largestGrowth = 1 << 20;

/** Whether a node is no function of its inputs, or makes the codes that a quantized model is there for. */
const isUnfoldable = (node: Node): boolean => ["random", "codes"].includes(rowOf(node)?.kind ?? "");

/**
 * Computes nodes whose inputs are all constant, by running just those nodes in ONNX Runtime (unoptimized, one
 * thread), and stores the results as initializers of the same names. Nodes whose values are large against the file are
 * left alone, and so are all where computing them takes too long or too much memory.
 */
export const foldConstants = definePass({
  name: "fold-constants",
  async run(model, context) {
    const nodes = constantNodes(model, context);
    if (nodes.length === 0) return model;
    try {
      const { computed, values } = await evaluate(model, nodes, context);
      return replaceByValues(model, computed, values, context);
    } catch (error) {
      if (!isOverLimit(error)) throw error;
      for (const node of nodes) context.refuse(node, `${error.message}, with the other constants`);
      return model;
    }
  },
});

/** Nodes that depend on constants alone, in graph order. */
function constantNodes(model: Model, context: PassContext): Node[] {
  const known = new Set(model.graph.initializers.keys());
  for (const input of model.graph.inputs) known.delete(input.name);
  const outputs = new Set(model.graph.outputs.map((value) => value.name));
  const functions = new Set(model.functions.map(({ domain, name }) => `${domain}::${name}`));
  const nodes: Node[] = [];
  for (const node of model.graph.nodes) {
    if (!readNames(node).every((name) => known.has(name))) continue;
    const reason = functions.has(`${node.domain}::${node.opType}`)
      ? "it calls a function, which may hold loops"
      : reasonNotToFold(node, outputs);
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

interface Evaluation {
  computed: readonly Node[];
  values: ReadonlyMap<string, Tensor>;
}

/** Runs `nodes` alone, less those that would come to too much, and returns all values that the binding can hand over. */
async function evaluate(model: Model, nodes: readonly Node[], context: PassContext): Promise<Evaluation> {
  const constants = modelOf(model, nodes);
  return withSession(
    constants,
    { optimization: "disabled", threads: 1, limits: runLimits(constants) },
    async (session) => {
      const kept = smallNodes(nodes, session.outputs, largestConstants(model), context);
      if (kept.length === 0) return { computed: [], values: new Map<string, Tensor>() };
      if (kept.length < nodes.length) return evaluate(model, kept, context);
      const ports = session.outputs.filter((port) => port.tensor && transferable.has(port.dtype));
      if (ports.length === 0) return { computed: nodes, values: new Map<string, Tensor>() };
      const fetches = ports.map((port) => port.name);
      const values = new Map(Object.entries(await session.run({}, fetches)));
      return { computed: nodes, values };
    },
  );
}

/** The nodes as a model of their own, all of whose values are outputs. */
function modelOf(model: Model, nodes: readonly Node[]): Model {
  const graph = createGraph("constants");
  graph.nodes = [...nodes];
  for (const name of nodes.flatMap(readNames)) {
    const tensor = model.graph.initializers.get(name);
    if (tensor !== undefined) graph.initializers.set(name, tensor);
  }
  const names = nodes.flatMap((node) => node.outputs).filter((name) => name !== "");
  graph.outputs = names.map((name) => ({ name, type: undefined }));
  return bareModel(model, graph);
}

/** The nodes whose values, are tensors and, by the shapes that are known without running, come to at most `room` bytes together. */
function smallNodes(
  nodes: readonly Node[],
  ports: readonly PortType[],
  room: number,
  context: PassContext,
): Node[] {
  const sizes = new Map(ports.map((port) => [port.name, knownBytes(port)]));
  const others = new Set(ports.filter((port) => !port.tensor).map((port) => port.name));
  const left = new Set<string>();
  let total = 0;
  return nodes.filter((node) => {
    const size = node.outputs.reduce((sum, name) => sum + (sizes.get(name) ?? 0), 0);
    const readsLeft = readNames(node).some((name) => left.has(name));
    const other = node.outputs.some((name) => others.has(name));
    if (!readsLeft && !other && total + size <= room) {
      total += size;
      return true;
    }
    context.refuse(
      node,
      readsLeft
        ? "it reads a constant that is not computed"
        : other
          ? "its value is no tensor"
          : `its value has ${size} bytes`,
    );
    for (const name of node.outputs) left.add(name);
    return false;
  });
}

/** Bytes of a value of known shape; 0 where a dimension is open. */
function knownBytes({ tensor, dtype, shape }: PortType): number {
  const dims = shape.filter((dim): dim is number => typeof dim === "number");
  return tensor && dims.length === shape.length ? byteLength(dtype, elementCount(dims)) : 0;
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
