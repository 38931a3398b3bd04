import { floatOf, intOf, intsOf } from "../../ir/attributes.ts";
import { ints, scalar } from "../../tensor/tensor.ts";
import { setInput } from "../edit-graph.ts";
import type { RaiseRule } from "./rule.ts";

/** Attribute `attribute`, a list of integers, becomes input `port`; absent stays absent. */
export function listToInput(attribute: string, port: number): RaiseRule {
  return (node, { emit }) => {
    const values = intsOf(node, attribute);
    node.attributes.delete(attribute);
    if (values !== undefined)
      setInput(node, port, emit.constant(ints(values), `${node.outputs[0]}.${attribute}`));
    return undefined;
  };
}

/** Clip 11: `min` and `max` become inputs. Their absence meant the largest float, which clips nothing. */
export const clip: RaiseRule = (node, { emit }) => {
  for (const [port, name] of [
    [1, "min"],
    [2, "max"],
  ] as const) {
    const attribute = node.attributes.get(name);
    node.attributes.delete(name);
    if (attribute?.type !== "float") continue;
    setInput(node, port, emit.constant(scalar(attribute.value), `${node.outputs[0]}.${name}`));
  }
  return undefined;
};

/** Pad 11: `pads` and `value` become inputs. */
export const pad: RaiseRule = (node, { emit }) => {
  const pads = intsOf(node, "pads") ?? [];
  setInput(node, 1, emit.constant(ints(pads), `${node.outputs[0]}.pads`));
  const value = floatOf(node, "value", 0);
  if (value !== 0) setInput(node, 2, emit.constant(scalar(value), `${node.outputs[0]}.value`));
  node.attributes.delete("pads");
  node.attributes.delete("value");
  return undefined;
};

/** Slice 10: `starts`, `ends` and `axes` become inputs; steps are 1. */
export const slice: RaiseRule = (node, { emit }) => {
  const [starts, ends, axes] = ["starts", "ends", "axes"].map((name) => intsOf(node, name));
  if (starts === undefined || ends === undefined) return "it has no starts or no ends";
  setInput(node, 1, emit.constant(ints(starts), `${node.outputs[0]}.starts`));
  setInput(node, 2, emit.constant(ints(ends), `${node.outputs[0]}.ends`));
  if (axes !== undefined) setInput(node, 3, emit.constant(ints(axes), `${node.outputs[0]}.axes`));
  for (const name of ["starts", "ends", "axes"]) node.attributes.delete(name);
  return undefined;
};

/** TopK 10: `k` becomes an input of one element. */
export const topK: RaiseRule = (node, { emit }) => {
  const k = intOf(node, "k");
  if (k === undefined) return "it has no k";
  setInput(node, 1, emit.constant(ints([k]), `${node.outputs[0]}.k`));
  node.attributes.delete("k");
  return undefined;
};

/** Dropout 10: the mask became boolean. */
export const dropoutMask: RaiseRule = (node, context) => {
  if (context.isRead(node, 1)) return "its mask is read, whose element type changed";
  node.outputs = node.outputs.slice(0, 1);
  return undefined;
};

/** Dropout 12: `ratio` becomes an input; without a training flag it still does nothing. */
export const dropoutRatio: RaiseRule = (node, { emit }) => {
  setInput(node, 1, emit.constant(scalar(floatOf(node, "ratio", 0.5)), `${node.outputs[0]}.ratio`));
  node.attributes.delete("ratio");
  return undefined;
};
