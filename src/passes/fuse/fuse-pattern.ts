import { UserError } from "../../errors.ts";
import type { AttributeInput } from "../../ir/attributes.ts";
import { cloneModel } from "../../ir/clone.ts";
import { createNode } from "../../ir/graph.ts";
import type { Model, Node } from "../../ir/model.ts";
import { definePass, type Pass, type PassContext } from "../define-pass.ts";
import { GraphEdit } from "../edit-graph.ts";
import { raiseOpset, raiseRange } from "../raise-opset/raise-opset.ts";

/** Nodes that compute what one operator does. */
export interface Match {
  parts: readonly Node[];
  /** The part whose output is the operator's. */
  last: Node;
  /** Names of the operator's inputs; constants that they need are made when this is called. */
  inputs: () => readonly string[];
  attributes?: Readonly<Record<string, AttributeInput>>;
}

interface Pattern {
  name: string;
  opType: string;
  /** Opset from which the operator is there. */
  opset: number;
  /** Types of a node that every place of the pattern has one of. */
  anchors: readonly string[];
  /** What a node of those types is part of. */
  find: (edit: GraphEdit, anchor: Node) => Match | undefined;
}

/**
 * A pass that puts one operator in the place of the nodes which exporters write for it, and raises the opset to the
 * operator's where there are any: one kernel, in training too, and none of the values between gets a quantizer. Where a
 * value within is read elsewhere, or the opset cannot be raised, the nodes stay.
 */
export function fusePattern({ name, opType, opset, anchors, find }: Pattern): Pass {
  const anchored = ({ graph }: Model): Node[] =>
    graph.nodes.filter((node) => node.domain === "" && anchors.includes(node.opType));
  const findClosed = (edit: GraphEdit, anchor: Node): Match | undefined => {
    const match = find(edit, anchor);
    return match !== undefined && isClosed(edit, match) ? match : undefined;
  };
  return definePass({
    name,
    async run(model, context) {
      const isBelow = (model.opsets.get("") ?? 0) < opset;
      if ((isBelow && opset > raiseRange.highest) || anchored(model).length === 0) return model;
      const trial = new GraphEdit(cloneModel(model).graph);
      const isFound = anchored({ ...model, graph: trial.graph }).some(
        (node) => findClosed(trial, node) !== undefined,
      );
      const raised = isFound ? await raise(model, opset, context) : undefined;
      if (raised === undefined) return model;
      const result = cloneModel(raised);
      const edit = new GraphEdit(result.graph);
      for (const anchor of anchored(result)) {
        const match = findClosed(edit, anchor);
        if (match === undefined) continue;
        const { parts, last, inputs, attributes } = match;
        for (const part of parts) if (part !== last) edit.remove(part);
        const outputs = [...last.outputs];
        edit.replace(last, [
          createNode({ name: anchor.name, opType, inputs: inputs(), outputs, attributes }),
        ]);
      }
      edit.finish();
      return result;
    },
  });
}

/** Whether nothing outside reads what is within. */
function isClosed(edit: GraphEdit, { parts, last }: Match): boolean {
  const inside = new Set(parts);
  return parts.every(
    (part) =>
      part === last ||
      part.outputs.every(
        (value) => !edit.isOutput(value) && edit.readers(value).every((reader) => inside.has(reader)),
      ),
  );
}

async function raise(model: Model, opset: number, context: PassContext): Promise<Model | undefined> {
  if ((model.opsets.get("") ?? 0) >= opset) return model;
  try {
    return await raiseOpset(opset).run(model, context);
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}
