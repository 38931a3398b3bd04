import { UserError } from "../errors.ts";
import { cloneModel } from "../ir/clone.ts";
import { createNode } from "../ir/graph.ts";
import { dtypeOf } from "../ir/value-types.ts";
import type { Graph, Model, Node } from "../ir/model.ts";
import { toNumbers } from "../tensor/tensor.ts";
import { definePass, type PassContext } from "./define-pass.ts";
import { GraphEdit } from "./edit-graph.ts";
import { raiseOpset } from "./raise-opset/raise-opset.ts";

/** Opset from which Gelu is an operator. */
const geluOpset = 20;

/**
 * x*(1 + erf(x/sqrt 2))/2 in five nodes, as exporters write it below opset 20, becomes one Gelu and raises the opset to
 * that: one kernel instead of five, and none of the values between gets a quantizer. Factors may stand in any order.
 * A model whose opset cannot be raised stays as it is.
 */
export const fuseGelu = definePass({
  name: "fuse-gelu",
  async run(model, context) {
    const found = erfs(model).length === 0 ? [] : findAll(cloneModel(model));
    const raised = found.length === 0 ? undefined : await raise(model, context);
    if (raised === undefined) return model;
    const result = cloneModel(raised);
    const edit = new GraphEdit(result.graph);
    for (const node of erfs(result)) {
      const found = findGelu(edit, node);
      if (found === undefined) continue;
      const { x, parts, last } = found;
      for (const part of parts) if (part !== last) edit.remove(part);
      const gelu = createNode({ name: node.name, opType: "Gelu", inputs: [x], outputs: [...last.outputs] });
      edit.replace(last, [gelu]);
    }
    edit.finish();
    return result;
  },
});

const erfs = ({ graph }: Model): Node[] =>
  graph.nodes.filter(({ opType, domain }) => opType === "Erf" && domain === "");

function findAll(model: Model): FoundGelu[] {
  const edit = new GraphEdit(model.graph);
  return erfs(model).flatMap((node) => findGelu(edit, node) ?? []);
}

async function raise(model: Model, context: PassContext): Promise<Model | undefined> {
  try {
    return await raiseOpset(geluOpset).run(model, context);
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

interface FoundGelu {
  x: string;
  parts: Node[];
  /** The part whose output is the Gelu's. */
  last: Node;
}

/** The Gelu that an Erf is part of. */
function findGelu(edit: GraphEdit, erf: Node): FoundGelu | undefined {
  const { graph } = edit;
  const scaled = edit.producer(erf.inputs[0] ?? "");
  const x = scaled === undefined ? undefined : scaledBy(graph, scaled, Math.SQRT1_2);
  const add = onlyReader(edit, erf);
  if (scaled === undefined || x === undefined || add === undefined) return undefined;
  if (dtypeOf(graph, x) !== "float32" || edit.uses(scaled.outputs[0] as string) !== 1) return undefined;
  if (otherThan(graph, add, "Add", erf.outputs[0] as string) !== 1) return undefined;
  const parts = [scaled, erf, add];
  // What is left to multiply by: x and one half.
  let [wantsX, wantsHalf] = [true, true];
  for (let last = add; ;) {
    if (!wantsX && !wantsHalf) return { x, parts, last };
    const value = last.outputs[0] as string;
    const next = onlyReader(edit, last);
    if (next?.opType !== "Mul" || next.domain !== "") return undefined;
    const factor = next.inputs[0] === value ? next.inputs[1] : next.inputs[0];
    const half = factor === undefined ? undefined : edit.producer(factor);
    if (wantsX && factor === x) wantsX = false;
    else if (wantsHalf && otherThan(graph, next, "Mul", value) === 0.5) wantsHalf = false;
    else if (wantsX && wantsHalf && half !== undefined && scaledBy(graph, half, 0.5) === x) {
      if (edit.uses(factor as string) !== 1) return undefined;
      parts.push(half);
      [wantsX, wantsHalf] = [false, false];
    } else return undefined;
    parts.push(next);
    last = next;
  }
}

/** The only node that reads what a node makes, itself no graph output. */
function onlyReader(edit: GraphEdit, node: Node): Node | undefined {
  const [output = ""] = node.outputs;
  return edit.uses(output) === 1 && !edit.isOutput(output) ? edit.readers(output)[0] : undefined;
}

/** What a node multiplies by `factor`, or divides by its inverse; undefined for other nodes. */
function scaledBy(graph: Graph, node: Node, factor: number): string | undefined {
  const [left = "", right = ""] = node.inputs;
  if (node.domain !== "") return undefined;
  const close = (value: number | undefined, wanted: number): boolean =>
    value !== undefined && Math.abs(value / wanted - 1) < 1e-4;
  if (node.opType === "Div") return close(numberOf(graph, right), 1 / factor) ? left : undefined;
  if (node.opType !== "Mul") return undefined;
  if (close(numberOf(graph, right), factor)) return left;
  return close(numberOf(graph, left), factor) ? right : undefined;
}

/** The constant operand beside `value` of a node of this type. */
function otherThan(graph: Graph, node: Node, opType: string, value: string): number | undefined {
  const [left = "", right = ""] = node.inputs;
  if (node.opType !== opType || node.domain !== "") return undefined;
  return numberOf(graph, left === value ? right : left);
}

/** A constant of one element. */
function numberOf(graph: Graph, name: string): number | undefined {
  const tensor = graph.initializers.get(name);
  return tensor?.dims.every((dim) => dim === 1) === true ? toNumbers(tensor)[0] : undefined;
}
