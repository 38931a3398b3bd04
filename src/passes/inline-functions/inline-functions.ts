import { modelError } from "../../errors.ts";
import { subgraphsOf } from "../../ir/attributes.ts";
import { Emitter } from "../../ir/emit.ts";
import { cloneModel } from "../../ir/clone.ts";
import { createNode } from "../../ir/graph.ts";
import type { FunctionDef, Model, Node } from "../../ir/model.ts";
import { definePass, type PassContext } from "../define-pass.ts";
import { countNodes } from "../preparation-limits.ts";
import { boundAttributes, instantiate } from "./instantiate.ts";

/**
 * Replaces calls of model-local functions by their bodies; inner values and nodes are named after the call.
 * A function written for another version of the default opset than the model's stays, with its calls.
 */
export const inlineFunctions = definePass({
  name: "inline-functions",
  run(model, context) {
    if (model.functions.length === 0) return model;
    const result = cloneModel(model);
    const functions = new Map(model.functions.map((definition) => [keyOf(definition), definition]));
    const { graph } = result;
    const inliner: Inliner = {
      model: result,
      functions,
      names: new Emitter(graph),
      context,
      limit: roomFor(model),
      room: roomFor(model),
    };
    graph.nodes = inlineCalls(graph.nodes, inliner, []);
    dropUncalled(result);
    const unchanged =
      result.functions.length === model.functions.length &&
      result.graph.nodes.length === model.graph.nodes.length;
    return unchanged ? model : result;
  },
});

interface Inliner {
  model: Model;
  functions: ReadonlyMap<string, FunctionDef>;
  /** Makes names that are fresh in the model's graph, subgraphs included. */
  names: Emitter;
  context: PassContext;
  /** How many nodes may be written, and may still be. */
  limit: number;
  room: number;
}

/** Calls within calls; what exporters write has less than ten, and names grow with each. */
const deepestCalls = 1000;

/** How many nodes the bodies of a model's calls may come to: a hundred times those of the file, and ten thousand. */
const roomFor = ({ graph, functions }: Model): number =>
  10_000 + 100 * [graph, ...functions].reduce((sum, { nodes }) => sum + countNodes(nodes), 0);

function keyOf({ domain, name, overload }: { domain: string; name: string; overload: string }): string {
  return JSON.stringify([domain, name, overload]);
}

function calledFunction(node: Node, functions: ReadonlyMap<string, FunctionDef>): FunctionDef | undefined {
  return functions.get(keyOf({ domain: node.domain, name: node.opType, overload: node.overload }));
}

/** Inlines until no call is left; bodies may call other functions (ONNX allows no recursion, and a decoder checks nothing). */
function inlineCalls(nodes: readonly Node[], inliner: Inliner, open: readonly string[]): Node[] {
  const inlined: Node[] = [];
  for (const node of nodes) {
    for (const inner of subgraphsOf(node)) inner.nodes = inlineCalls(inner.nodes, inliner, open);
    const definition = calledFunction(node, inliner.functions);
    const reason = definition && reasonToKeep(definition, inliner.model, open);
    if (reason !== undefined) inliner.context.refuse(node, reason);
    if (definition === undefined || reason !== undefined) {
      inlined.push(node);
      continue;
    }
    takeRoom(inliner, definition, open);
    const body = expand(node, definition, inliner);
    for (const part of inlineCalls(body, inliner, [...open, keyOf(definition)])) inlined.push(part);
  }
  return inlined;
}

/** Throws model/function-calls where calls are nested too deep or their bodies come to too many nodes. */
function takeRoom(inliner: Inliner, definition: FunctionDef, open: readonly string[]): void {
  inliner.room -= countNodes(definition.nodes);
  const deep = open.length >= deepestCalls;
  if (!deep && inliner.room >= 0) return;
  throw modelError(
    "function-calls",
    deep
      ? `Functions call each other more than ${deepestCalls} deep`
      : `The functions of the model call each other so often that they come to more than ${inliner.limit} nodes`,
    `function "${definition.domain}::${definition.name}"`,
    "Export the model without functions, or with functions that do not multiply.",
  );
}

function reasonToKeep(definition: FunctionDef, model: Model, open: readonly string[]): string | undefined {
  if (open.includes(keyOf(definition))) return `function "${definition.name}" calls itself`;
  for (const [domain, version] of definition.opsets) {
    const present = model.opsets.get(domain);
    if (present !== undefined && present !== version)
      return `function "${definition.name}" is written for opset ${version} of "${domain || "ai.onnx"}", the model for ${present}`;
  }
  return undefined;
}

/** The body of one call. Outputs that the body merely passes on get an Identity. */
function expand(call: Node, definition: FunctionDef, { model, names }: Inliner): Node[] {
  for (const [domain, version] of definition.opsets)
    if (!model.opsets.has(domain)) model.opsets.set(domain, version);
  const renamed = new Map<string, string>([["", ""]]);
  definition.inputs.forEach((name, i) => renamed.set(name, call.inputs[i] ?? ""));
  const passed: Node[] = [];
  definition.outputs.forEach((name, i) => {
    const wanted = call.outputs[i] ?? "";
    if (wanted === "") return;
    const source = renamed.get(name);
    if (source === undefined) renamed.set(name, wanted);
    else passed.push(identity(names.fresh(`${call.name}/Identity`), source, wanted));
  });
  const rename = (name: string): string => {
    const known = renamed.get(name);
    if (known !== undefined) return known;
    const made = names.fresh(`${call.name}/${name}`);
    renamed.set(name, made);
    return made;
  };
  const nameNode = (name: string): string => names.fresh(`${call.name}/${name}`);
  const attributes = boundAttributes(definition, call);
  return [...instantiate(definition.nodes, { attributes, rename, nameNode }), ...passed];
}

const identity = (name: string, input: string, output: string): Node =>
  createNode({ name, opType: "Identity", inputs: [input], outputs: [output] });

/** Forgets functions that nothing calls any more, and domains that held nothing else. */
function dropUncalled(model: Model): void {
  const called = new Set<string>();
  const visit = (nodes: readonly Node[]): void => {
    for (const node of nodes) {
      called.add(keyOf({ domain: node.domain, name: node.opType, overload: node.overload }));
      for (const graph of subgraphsOf(node)) visit(graph.nodes);
    }
  };
  visit(model.graph.nodes);
  for (let size = -1; size !== called.size;) {
    size = called.size;
    for (const definition of model.functions) if (called.has(keyOf(definition))) visit(definition.nodes);
  }
  const dropped = model.functions.filter((definition) => !called.has(keyOf(definition)));
  model.functions = model.functions.filter((definition) => called.has(keyOf(definition)));
  const domains = new Set([...called].map((key) => (JSON.parse(key) as string[])[0]));
  for (const { domain } of dropped) if (domain !== "" && !domains.has(domain)) model.opsets.delete(domain);
}
