import { float } from "../../ir/attributes.ts";
import type { Node } from "../../ir/model.ts";
import { dtypeOf } from "../../ir/value-types.ts";
import type { GraphEdit } from "../edit-graph.ts";
import { fusePattern, type Match } from "./fuse-pattern.ts";
import { numberOf, onlyReader, operandBeside } from "./match.ts";
import {
  axesOf,
  findMeanSquare,
  findRoot,
  isParameter,
  type NormalizedAxes,
  ones,
  shaped,
} from "./norm-parts.ts";

/**
 * x/sqrt(mean x^2 + eps)*scale over the last axes becomes one RMSNormalization in models of opset 23 and later. Below, it
 * stays in the nodes that exporters write: raising the opset that far would bar runtimes that read the file today.
 */
export const fuseRmsNorm = fusePattern({
  name: "fuse-rms-norm",
  opType: "RMSNormalization",
  opset: 23,
  anchors: ["Sqrt", "Pow"],
  find(edit, anchor) {
    const root = findRoot(edit, anchor);
    const power = root && findPower(edit, root.input);
    if (root === undefined || power === undefined) return undefined;
    const divided = divideBy(edit, anchor, root.inverted, power.x);
    if (divided === undefined) return undefined;
    return finish(edit, power, [...power.parts, anchor, ...divided]);
  },
});

interface Power extends NormalizedAxes {
  x: string;
  epsilon: number;
  parts: readonly Node[];
}

/** Reads `mean x^2 + eps` backwards to x. */
function findPower(edit: GraphEdit, input: string): Power | undefined {
  const found = findMeanSquare(edit, input);
  if (found === undefined) return undefined;
  const { factors, mean, epsilon, parts } = found;
  const [x = "", other = x] = factors;
  const axes = axesOf(edit.graph, mean, x);
  if (other !== x || axes === undefined || dtypeOf(edit.graph, x) !== "float32") return undefined;
  return { ...axes, x, epsilon, parts };
}

/** The nodes behind the root that divide x by it, or multiply x by its inverse. */
function divideBy(edit: GraphEdit, root: Node, inverted: boolean, x: string): Node[] | undefined {
  const value = root.outputs[0] as string;
  const reader = onlyReader(edit, root);
  if (reader?.domain !== "") return undefined;
  const [left = "", right] = reader.inputs;
  if (inverted) return reader.opType === "Mul" && operandBeside(reader, value) === x ? [reader] : undefined;
  if (reader.opType === "Div" && left === x && right === value) return [reader];
  const isInverse =
    reader.opType === "Reciprocal" ||
    (reader.opType === "Div" && right === value && numberOf(edit.graph, left) === 1);
  const rest = isInverse ? divideBy(edit, reader, true, x) : undefined;
  return rest && [reader, ...rest];
}

/** Takes in the scale that follows. */
function finish(edit: GraphEdit, { x, axis, sizes, epsilon }: Power, parts: readonly Node[]): Match {
  const last = parts.at(-1) as Node;
  const next = onlyReader(edit, last);
  const operand = next?.opType === "Mul" ? operandBeside(next, last.outputs[0] as string) : undefined;
  const isScaled = next?.domain === "" && operand !== undefined && isParameter(edit.graph, operand, sizes);
  return {
    parts: isScaled ? [...parts, next] : parts,
    last: isScaled ? next : last,
    attributes: { axis, epsilon: float(epsilon) },
    inputs: () => [x, isScaled ? shaped(edit, operand, sizes) : ones(edit, sizes)],
  };
}
