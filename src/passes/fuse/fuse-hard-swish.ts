import { floatOf } from "../../ir/attributes.ts";
import type { Node } from "../../ir/model.ts";
import { dtypeOf } from "../../ir/value-types.ts";
import type { GraphEdit } from "../edit-graph.ts";
import { fusePattern, type Match } from "./fuse-pattern.ts";
import { madeBy, numberOf, onlyReader, otherThan, timesScaled } from "./match.ts";

/**
 * x*min(max(x + 3, 0), 6)/6 becomes one HardSwish. Exporters below opset 14 write the bounds as a Clip, as a Relu and a
 * Min, or as a HardSigmoid, and the factors in any order.
 */
export const fuseHardSwish = fusePattern({
  name: "fuse-hard-swish",
  opType: "HardSwish",
  opset: 14,
  anchors: ["Clip", "Relu", "HardSigmoid"],
  find: (edit, anchor) =>
    anchor.opType === "HardSigmoid" ? ofSigmoid(edit, anchor) : ofBounds(edit, anchor),
});

/** HardSigmoid(x)*x with the slope of a sixth. */
function ofSigmoid(edit: GraphEdit, sigmoid: Node): Match | undefined {
  const [x = ""] = sigmoid.inputs;
  const slope = floatOf(sigmoid, "alpha", 0.2);
  if (Math.abs(6 * slope - 1) > 1e-4 || floatOf(sigmoid, "beta", 0.5) !== 0.5) return undefined;
  return product(edit, [sigmoid], sigmoid, x, 1);
}

function ofBounds(edit: GraphEdit, anchor: Node): Match | undefined {
  const { graph } = edit;
  const bounded = anchor.opType === "Clip" ? clipped(edit, anchor) : reluAndMin(edit, anchor);
  if (bounded === undefined) return undefined;
  const add = madeBy(edit, bounded.value, "Add");
  const x = add?.inputs.find((name) => otherThan(graph, add, "Add", name) === 3);
  if (add === undefined || x === undefined) return undefined;
  return product(edit, [add, ...bounded.parts], bounded.last, x, 1 / 6);
}

interface Bounded {
  /** What is bounded to [0, 6]. */
  value: string;
  parts: Node[];
  last: Node;
}

function clipped({ graph }: GraphEdit, clip: Node): Bounded | undefined {
  const [value = "", low = "", high = ""] = clip.inputs;
  const isMeant = numberOf(graph, low) === 0 && numberOf(graph, high) === 6;
  return isMeant ? { value, parts: [clip], last: clip } : undefined;
}

/** min(relu(x), 6) or relu(min(x, 6)). */
function reluAndMin(edit: GraphEdit, relu: Node): Bounded | undefined {
  const { graph } = edit;
  const [value = ""] = relu.inputs;
  const behind = onlyReader(edit, relu);
  if (behind !== undefined && otherThan(graph, behind, "Min", relu.outputs[0] as string) === 6)
    return behind.inputs.length === 2 ? { value, parts: [relu, behind], last: behind } : undefined;
  const front = madeBy(edit, value, "Min");
  const inner = front?.inputs.find((name) => otherThan(graph, front, "Min", name) === 6);
  if (front?.inputs.length !== 2 || inner === undefined) return undefined;
  return { value: inner, parts: [front, relu], last: relu };
}

function product(edit: GraphEdit, parts: Node[], last: Node, x: string, factor: number): Match | undefined {
  if (dtypeOf(edit.graph, x) !== "float32") return undefined;
  const rest = timesScaled(edit, last, x, factor);
  return rest && { parts: [...parts, ...rest.parts], last: rest.last, inputs: () => [x] };
}
