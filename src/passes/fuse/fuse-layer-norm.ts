import { float } from "../../ir/attributes.ts";
import type { Node } from "../../ir/model.ts";
import { dtypeOf } from "../../ir/value-types.ts";
import type { GraphEdit } from "../edit-graph.ts";
import { fusePattern, type Match } from "./fuse-pattern.ts";
import { madeBy, numberOf, onlyReader, operandBeside } from "./match.ts";
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
 * With m = mean x and r = 1/sqrt(mean (x - m)^2 + eps) over the last axes, (x - m)*r*scale + bias becomes one
 * LayerNormalization. Exporters below opset 17 write it as (x - m)/sqrt(..), as (x - m)*(r*scale), or as
 * x*(r*scale) + (bias - m*(r*scale)), squares as Pow or Mul, and may compute x - m twice.
 */
export const fuseLayerNorm = fusePattern({
  name: "fuse-layer-norm",
  opType: "LayerNormalization",
  opset: 17,
  anchors: ["Sqrt", "Pow"],
  find(edit, anchor) {
    const root = findRoot(edit, anchor);
    const statistics = root && findStatistics(edit, root.input);
    if (root === undefined || statistics === undefined) return undefined;
    const value = anchor.outputs[0] as string;
    const scaled = scaleOf(
      edit,
      { ...statistics, parts: [...statistics.parts, anchor] },
      value,
      root.inverted,
    );
    return scaled && finish(edit, scaled);
  },
});

interface Statistics extends NormalizedAxes {
  x: string;
  mean: string;
  /** All values that are x - mean. */
  centred: ReadonlySet<string>;
  epsilon: number;
  parts: readonly Node[];
}

/** Reads `variance + epsilon` backwards to x. */
function findStatistics(edit: GraphEdit, input: string): Statistics | undefined {
  const { graph } = edit;
  const found = findMeanSquare(edit, input);
  if (found === undefined) return undefined;
  const differences = found.factors.flatMap((name) => madeBy(edit, name, "Sub") ?? []);
  const [x = "", mean = ""] = differences[0]?.inputs ?? [];
  const inner = madeBy(edit, mean, "ReduceMean");
  const axes = axesOf(graph, found.mean, x);
  if (inner?.inputs[0] !== x || axes === undefined || dtypeOf(graph, x) !== "float32") return undefined;
  if (differences.some((node) => node.inputs[0] !== x || node.inputs[1] !== mean)) return undefined;
  if (axesOf(graph, inner, x)?.axis !== axes.axis) return undefined;
  const all = edit.readers(mean).filter(({ opType, inputs }) => opType === "Sub" && inputs[0] === x);
  return {
    x,
    mean,
    centred: new Set(all.map(({ outputs }) => outputs[0] as string)),
    ...axes,
    epsilon: found.epsilon,
    parts: [inner, ...all, ...found.parts],
  };
}

interface Scaled extends Statistics {
  last: Node;
  scale?: string | undefined;
  bias?: string | undefined;
}

/** What follows the root: x - m times its inverse, which may be scaled first. */
function scaleOf(edit: GraphEdit, found: Statistics, root: string, inverted: boolean): Scaled | undefined {
  const [reader, second] = edit.readers(root);
  if (reader === undefined || reader.domain !== "") return undefined;
  const parts = [...found.parts, reader];
  const value = reader.outputs[0] as string;
  if (!inverted) {
    if (second !== undefined) return undefined;
    const [left = "", right] = reader.inputs;
    if (reader.opType === "Div" && right === root && found.centred.has(left))
      return { ...found, parts, last: reader };
    const isInverse =
      reader.opType === "Reciprocal" ||
      (reader.opType === "Div" && right === root && numberOf(edit.graph, left) === 1);
    return isInverse ? scaleOf(edit, { ...found, parts }, value, true) : undefined;
  }
  if (reader.opType !== "Mul" || second !== undefined) return undefined;
  const factor = operandBeside(reader, root) ?? "";
  if (found.centred.has(factor)) return { ...found, parts, last: reader };
  if (!isParameter(edit.graph, factor, found.sizes)) return undefined;
  return withFactor(edit, { ...found, parts }, value, factor);
}

/** (x - m)*factor, or x*factor + (bias - m*factor). */
function withFactor(edit: GraphEdit, found: Statistics, factor: string, scale: string): Scaled | undefined {
  const products = edit.readers(factor).filter(({ opType, domain }) => opType === "Mul" && domain === "");
  const times = (value: string): Node | undefined =>
    products.find((node) => operandBeside(node, factor) === value);
  const [only] = products;
  const centred = only === undefined ? undefined : operandBeside(only, factor);
  if (only !== undefined && products.length === 1 && found.centred.has(centred ?? ""))
    return { ...found, parts: [...found.parts, only], last: only, scale };
  const [ofX, ofMean] = [times(found.x), times(found.mean)];
  const rest = ofMean && onlyReader(edit, ofMean);
  const sum = rest && onlyReader(edit, rest);
  if (ofX === undefined || ofMean === undefined || rest === undefined || sum === undefined) return undefined;
  const [bias = "", taken] = rest.inputs;
  const isMeant =
    rest.opType === "Sub" &&
    taken === ofMean.outputs[0] &&
    sum.opType === "Add" &&
    operandBeside(sum, rest.outputs[0] as string) === ofX.outputs[0];
  if (!isMeant || !isParameter(edit.graph, bias, found.sizes)) return undefined;
  return { ...found, parts: [...found.parts, ofX, ofMean, rest, sum], last: sum, scale, bias };
}

/** Takes in the scale and the bias that follow. */
function finish(edit: GraphEdit, found: Scaled): Match | undefined {
  let { scale, bias, last } = found;
  const parts = [...found.parts];
  const take = (opType: "Mul" | "Add"): string | undefined => {
    const next = onlyReader(edit, last);
    const operand = next && operandBeside(next, last.outputs[0] as string);
    if (next?.opType !== opType || next.domain !== "" || operand === undefined) return undefined;
    if (!isParameter(edit.graph, operand, found.sizes)) return undefined;
    parts.push(next);
    last = next;
    return operand;
  };
  if (bias === undefined) {
    scale ??= take("Mul");
    bias = take("Add");
  }
  const { x, sizes, axis, epsilon } = found;
  return {
    parts,
    last,
    attributes: { axis, epsilon: float(epsilon) },
    inputs: () => [
      ...[x, scale === undefined ? ones(edit, sizes) : shaped(edit, scale, sizes)],
      ...(bias === undefined ? [] : [shaped(edit, bias, sizes)]),
    ],
  };
}
