import { unsupportedError } from "../../errors.ts";
import { subgraphsOf } from "../../ir/attributes.ts";
import { Emitter } from "../../ir/emit.ts";
import { cloneModel } from "../../ir/clone.ts";
import { createNode, irVersionFor } from "../../ir/graph.ts";
import { shapeOf } from "../../ir/value-types.ts";
import type { Dim, Graph, Node } from "../../ir/model.ts";
import { definePass, type Pass } from "../define-pass.ts";
import { GraphEdit } from "../edit-graph.ts";
import type { RaiseContext } from "./rule.ts";
import { raiseRules } from "./rules.ts";

/** Opsets that the rules cover: models below the first are refused, raising ends at the second. */
export const raiseRange = { lowest: 7, highest: 21 } as const;

/**
 * Raises the default domain's opset to at least `target` (at most 21), rewriting nodes whose operators changed
 * on the way; subgraphs too, model-local functions keep their own opset. Recorded types help: Softmax needs
 * ranks. All nodes that cannot be raised are named in one unsupported/opset error.
 */
export function raiseOpset(target: number): Pass {
  return definePass({
    name: "raise-opset",
    precondition: () =>
      target > raiseRange.highest ? `opset ${target} is above ${raiseRange.highest}` : undefined,
    run(model, { logger }) {
      const current = model.opsets.get("");
      if (current === undefined || current >= target) return model;
      if (current < raiseRange.lowest) throw tooOld(current);
      const result = cloneModel(model);
      const failures = raiseGraph(result.graph, current, target, () => undefined);
      if (failures.length > 0) throw cannotRaise(current, target, failures);
      result.opsets.set("", target);
      result.irVersion = Math.max(model.irVersion, irVersionFor(target));
      logger.info(`opset raised from ${current} to ${target}`);
      return result;
    },
  });
}

type ShapeLookup = (name: string) => readonly Dim[] | undefined;

function raiseGraph(graph: Graph, from: number, to: number, outer: ShapeLookup): string[] {
  const lookup: ShapeLookup = (name) => shapeOf(graph, name) ?? outer(name);
  const failures = graph.nodes.flatMap(subgraphsOf).flatMap((inner) => raiseGraph(inner, from, to, lookup));
  const emit = new Emitter(graph);
  for (let version = from + 1; version <= to; version++) {
    const changing = graph.nodes.filter(
      (node) => node.domain === "" && ruleFor(node.opType, version) !== undefined,
    );
    if (changing.length === 0) continue;
    const edit = new GraphEdit(graph);
    const context = createRaiseContext(edit, emit, lookup);
    for (const node of changing) {
      const rule = ruleFor(node.opType, version);
      let reason: string | undefined;
      edit.update(node, () => void (reason = rule?.(node, context)));
      if (reason !== undefined) failures.push(`${node.opType} "${node.name}" at opset ${version}: ${reason}`);
    }
    edit.finish();
  }
  return failures;
}

function ruleFor(
  opType: string,
  version: number,
): ((node: Node, context: RaiseContext) => string | undefined) | undefined {
  return Object.hasOwn(raiseRules, opType) ? raiseRules[opType]?.[version] : undefined;
}

function createRaiseContext(edit: GraphEdit, emit: Emitter, lookup: ShapeLookup): RaiseContext {
  const make = (
    node: Node,
    opType: string,
    inputs: readonly string[],
    attributes: Record<string, number>,
    output: string,
  ): Node =>
    createNode({ name: emit.fresh(`${node.name}/${opType}`), opType, inputs, outputs: [output], attributes });
  return {
    graph: edit.graph,
    emit,
    isRead: (node, index) => edit.isRead(node, index),
    shapeOf: lookup,
    insertBefore(node, opType, inputs, attributes = {}) {
      const output = emit.fresh(`${node.outputs[0]}.${opType.toLowerCase()}`);
      edit.insert(make(node, opType, inputs, attributes, output), "before", node);
      return output;
    },
    insertAfter(node, opType, extraInputs) {
      const output = node.outputs[0] as string;
      const inner = emit.fresh(`${output}.inner`);
      node.outputs[0] = inner;
      edit.insert(make(node, opType, [inner, ...extraInputs], {}, output), "after", node);
    },
  };
}

function tooOld(opset: number): Error {
  return unsupportedError(
    "opset",
    `The model uses opset ${opset}; opsets below ${raiseRange.lowest} are not supported`,
    undefined,
    "Export it again with a newer exporter (opset 13 or later).",
  );
}

function cannotRaise(from: number, to: number, failures: readonly string[]): Error {
  return unsupportedError(
    "opset",
    `The model uses opset ${from} and cannot be raised to ${to}: ${failures.join("; ")}`,
    undefined,
    `Export it again with opset ${to} or later.`,
  );
}
