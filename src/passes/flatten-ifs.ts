import { UserError } from "../errors.ts";
import { subgraphsOf } from "../ir/attributes.ts";
import { cloneModel } from "../ir/clone.ts";
import { Emitter } from "../ir/emit.ts";
import type { Graph, Model, Node } from "../ir/model.ts";
import { dtypeOf, sameShape, staticShape } from "../ir/value-types.ts";
import { ints } from "../tensor/tensor.ts";
import { dropStaleInfo } from "./edit-graph.ts";
import { extractConstants } from "./extract-constants.ts";
import { branchOf, inlineBranch, namesAround } from "./inline-ifs.ts";
import { runPasses } from "./pipeline.ts";
import { recordTypes } from "./record-types.ts";
import { resolveShapes } from "./resolve-shapes.ts";

/** Ifs that are tried: for each of them all types are found anew. */
const mostTried = 64;

/**
 * The model with the branches of an If as nodes of the graph, so that gradients flow through them:
 *
 *   y = If(c) { a } else { b }   becomes   y = Where(c, a, b)
 *
 * Both branches are computed then. An If stays where they could run without end (they hold a Loop or Scan), or where an
 * output is no float32, or not of the same static shape in both. For graphs at fixed shapes.
 */
export async function flattenIfs(model: Model): Promise<Model> {
  const staying = new Set<string>();
  let current = model;
  for (let tried = 0; tried < mostTried; tried++) {
    const node = current.graph.nodes.find((each) => !staying.has(each.name) && endingBranches(each));
    if (node === undefined) break;
    const flat = await flattenOne(current, node);
    if (flat === undefined) staying.add(node.name);
    else current = flat;
  }
  return current;
}

/** The model without an If, its types inferred; undefined where the If has to stay. */
async function flattenOne(model: Model, node: Node): Promise<Model | undefined> {
  const branches = endingBranches(node);
  if (branches === undefined) return undefined;
  const flat = cloneModel(model);
  const { graph } = flat;
  const { nodes, pairs } = flatten(graph, node, branches);
  graph.nodes.splice(model.graph.nodes.indexOf(node), 1, ...nodes);
  dropStaleInfo(graph);
  const passes = [extractConstants, recordTypes({ runLoops: true }), resolveShapes];
  try {
    const typed = await runPasses(flat, passes);
    return pairs.every((pair) => areAlike(typed.graph, pair)) ? typed : undefined;
  } catch (error) {
    // What a Where cannot join, or what reads it, refuses shapes that differ.
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

/** What either branch of an If gives for an output. */
type Pair = readonly [taken: string, other: string];

const areAlike = (graph: Graph, pair: Pair): boolean =>
  pair.every((name) => dtypeOf(graph, name) === "float32" && staticShape(graph, name) !== undefined) &&
  sameShape(graph, ...pair);

type Branches = readonly [taken: Graph, other: Graph];

/** Both branches of an If, where they are there and end whatever is fed to them. */
function endingBranches(node: Node): Branches | undefined {
  if (node.opType !== "If" || node.domain !== "") return undefined;
  const [taken, other] = [branchOf(node, true), branchOf(node, false)];
  if (taken === undefined || other === undefined) return undefined;
  return [...taken.nodes, ...other.nodes].every(ends) ? [taken, other] : undefined;
}

const ends = (node: Node): boolean => {
  const inner = subgraphsOf(node);
  return inner.length === 0 || (node.opType === "If" && inner.every(({ nodes }) => nodes.every(ends)));
};

/** The nodes of both branches, and a Where for each output; their constants go to `graph`. */
function flatten(graph: Graph, node: Node, branches: Branches): { nodes: Node[]; pairs: Pair[] } {
  const names = namesAround(graph, ({ name }) => name === node.name);
  const inlined = branches.map((branch, index) => {
    const suffix = index === 0 ? "then" : "else";
    const outputs = node.outputs.map((name) => (name === "" ? "" : names.fresh(`${name}.${suffix}`)));
    return { outputs, nodes: inlineBranch(graph, names, { branch, outputs }) };
  });
  const joined = new Emitter({ ...graph, nodes: [] }, names);
  joined.standFor(node);
  const condition = joined.op("Reshape", [node.inputs[0] ?? "", joined.constant(ints([], [0]))]);
  const pairs = node.outputs.flatMap((name, index): Pair[] => {
    if (name === "") return [];
    const [a = "", b = ""] = inlined.map(({ outputs }) => outputs[index] ?? "");
    joined.op("Where", [condition, a, b], {}, { outputs: [name] });
    return [[a, b]];
  });
  return { nodes: [...inlined.flatMap(({ nodes }) => nodes), ...joined.graph.nodes], pairs };
}
