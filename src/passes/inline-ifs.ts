import { cloneGraph, cloneModel } from "../ir/clone.ts";
import { Emitter } from "../ir/emit.ts";
import { createNode } from "../ir/graph.ts";
import type { Graph, Model, Node } from "../ir/model.ts";
import { elementCount } from "../tensor/tensor.ts";
import { definePass } from "./define-pass.ts";
import { dropStaleInfo, renameReads } from "./edit-graph.ts";
import { readNumbers } from "../tensor/read-numbers.ts";

/**
 * An If whose condition is a constant is replaced by the branch that is taken: its nodes and constants become the graph's,
 * under names that nothing else has.
 */
export const inlineIfs = definePass({
  name: "inline-ifs",
  run(model, context) {
    for (const node of model.graph.nodes)
      if (conditionOf(model.graph, node) !== undefined && takenBranch(model.graph, node) === undefined)
        context.refuse(node, "its branch holds sparse constants, or is missing");
    if (!hasSettledIf(model)) return model;
    const result = cloneModel(model);
    const { graph } = result;
    const names = namesAround(graph, (node) => takenBranch(graph, node) !== undefined);
    graph.nodes = graph.nodes.flatMap((node): Node[] => {
      const branch = takenBranch(graph, node);
      return branch === undefined ? [node] : inlineBranch(graph, names, { branch, outputs: node.outputs });
    });
    dropStaleInfo(graph);
    return result;
  },
});

/** Whether an If of the graph has a constant condition, and a branch that can be inlined. */
export const hasSettledIf = ({ graph }: Model): boolean =>
  graph.nodes.some((node) => takenBranch(graph, node) !== undefined);

/** The branch that an If with a constant condition takes, where it can be inlined. */
function takenBranch(graph: Graph, node: Node): Graph | undefined {
  const condition = conditionOf(graph, node);
  return condition === undefined ? undefined : branchOf(node, condition);
}

function conditionOf(
  { inputs, initializers }: Graph,
  { opType, domain, inputs: reads }: Node,
): boolean | undefined {
  const [name = ""] = reads;
  const tensor = opType === "If" && domain === "" ? initializers.get(name) : undefined;
  if (tensor === undefined || elementCount(tensor.dims) !== 1 || inputs.some((input) => input.name === name))
    return undefined;
  return readNumbers(tensor)[0] !== 0;
}

/** A branch of an If; undefined where it is missing, or holds sparse constants, which cannot become another graph's. */
export function branchOf({ attributes }: Node, condition: boolean): Graph | undefined {
  const attribute = attributes.get(condition ? "then_branch" : "else_branch");
  return attribute?.type === "graph" && attribute.value.sparseInitializers.length === 0
    ? attribute.value
    : undefined;
}

/** Hands out names for what is inlined of some nodes: whatever is within them alone is free, their outputs are not. */
export function namesAround(graph: Graph, isInlined: (node: Node) => boolean): Emitter {
  const names = new Emitter({ ...graph, nodes: graph.nodes.filter((node) => !isInlined(node)) });
  for (const node of graph.nodes) if (isInlined(node)) node.outputs.forEach((name) => names.fresh(name));
  return names;
}

/** A branch, and the names that its outputs take; "" for those that nobody reads. */
interface Inlined {
  branch: Graph;
  outputs: readonly string[];
}

/** The nodes of a branch; its constants and types go to `graph`. */
export function inlineBranch(graph: Graph, names: Emitter, { branch, outputs }: Inlined): Node[] {
  const own = cloneGraph(branch);
  const renamed = new Map<string, string>();
  const made = new Set([...own.initializers.keys(), ...own.nodes.flatMap(({ outputs }) => outputs)]);
  made.delete("");
  const targets = new Map<string, string>();
  own.outputs.forEach(({ name }, index) => {
    const output = outputs[index] ?? "";
    if (output !== "" && own.nodes.some((each) => each.outputs.includes(name)) && !targets.has(name))
      targets.set(name, output);
  });
  for (const name of made) {
    const target = targets.get(name) ?? names.fresh(name);
    if (target !== name) renamed.set(name, target);
  }
  const nameOf = (name: string): string => renamed.get(name) ?? name;
  renameReads(own.nodes, renamed);
  for (const each of own.nodes) each.outputs = each.outputs.map(nameOf);
  for (const [name, tensor] of own.initializers) graph.initializers.set(nameOf(name), tensor);
  for (const [name, value] of own.valueInfo)
    graph.valueInfo.set(nameOf(name), { ...value, name: nameOf(name) });
  const handed = own.outputs.flatMap(({ name }, index) => {
    const output = outputs[index] ?? "";
    return output === "" || nameOf(name) === output ? [] : [identity(nameOf(name), output)];
  });
  return [...own.nodes, ...handed];
}

const identity = (from: string, to: string): Node =>
  createNode({ name: `${to}.taken`, opType: "Identity", inputs: [from], outputs: [to] });
