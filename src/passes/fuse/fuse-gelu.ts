import { dtypeOf } from "../../ir/value-types.ts";
import { fusePattern, type Match } from "./fuse-pattern.ts";
import type { Node } from "../../ir/model.ts";
import type { GraphEdit } from "../edit-graph.ts";
import { madeBy, onlyReader, otherThan, scaledBy, timesScaled } from "./match.ts";
import { polynomialIn } from "./polynomial.ts";

/**
 * x*(1 + erf(x/sqrt 2))/2 in five nodes, as exporters write it below opset 20, becomes one Gelu. Factors may stand in any
 * order.
 */
export const fuseGelu = fusePattern({
  name: "fuse-gelu",
  opType: "Gelu",
  opset: 20,
  anchors: ["Erf"],
  find(edit, erf) {
    const { graph } = edit;
    const scaled = edit.producer(erf.inputs[0] ?? "");
    const x = scaled === undefined ? undefined : scaledBy(graph, scaled, Math.SQRT1_2);
    const add = onlyReader(edit, erf);
    if (scaled === undefined || x === undefined || add === undefined) return undefined;
    if (dtypeOf(graph, x) !== "float32") return undefined;
    if (otherThan(graph, add, "Add", erf.outputs[0] as string) !== 1) return undefined;
    const rest = timesScaled(edit, add, x, 0.5);
    return rest && { parts: [scaled, erf, add, ...rest.parts], last: rest.last, inputs: () => [x] };
  },
});

/**
 * x*(1 + tanh(sqrt(2/pi)*(x + 0.044715*x^3)))/2 in six to nine nodes becomes one Gelu that approximates. The polynomial and
 * the factors may be written in any order.
 */
export const fuseTanhGelu = fusePattern({
  name: "fuse-tanh-gelu",
  opType: "Gelu",
  opset: 20,
  anchors: ["Tanh"],
  find(edit, tanh) {
    const { graph } = edit;
    const add = onlyReader(edit, tanh);
    const isRaised = add && otherThan(graph, add, "Add", tanh.outputs[0] as string) === 1;
    if (add === undefined || isRaised !== true) return undefined;
    for (const x of candidates(edit, tanh)) {
      const found = polynomialIn(edit, tanh.inputs[0] as string, x);
      if (found === undefined || !isTanhGelu(found.coefficients) || dtypeOf(graph, x) !== "float32") continue;
      const match = finishTanh(edit, [...found.parts, tanh, add], x);
      if (match !== undefined) return match;
    }
    return undefined;
  },
});

/** What may be x: an operand of the products behind the Tanh. */
function candidates(edit: GraphEdit, tanh: Node): string[] {
  const add = onlyReader(edit, tanh);
  const behind = add && onlyReader(edit, add);
  const further = behind && onlyReader(edit, behind);
  const operands = [behind, further].flatMap((node) => (node?.opType === "Mul" ? node.inputs : []));
  return [...operands, ...operands.flatMap((name) => madeBy(edit, name, "Mul")?.inputs ?? [])];
}

function isTanhGelu(coefficients: readonly number[]): boolean {
  const wanted = [0, Math.sqrt(2 / Math.PI), 0, Math.sqrt(2 / Math.PI) * 0.044715];
  return wanted.every((value, power) => Math.abs((coefficients[power] ?? 0) - value) <= 1e-4 * value);
}

function finishTanh(edit: GraphEdit, front: readonly Node[], x: string): Match | undefined {
  const rest = timesScaled(edit, front.at(-1) as Node, x, 0.5);
  const parts = [...front, ...(rest?.parts ?? [])];
  return rest && { parts, last: rest.last, inputs: () => [x], attributes: { approximate: "tanh" } };
}
