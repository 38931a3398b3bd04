import { float, intOf, intsOf } from "../../ir/attributes.ts";
import type { Graph, Node } from "../../ir/model.ts";
import { dtypeOf, shapeOf } from "../../ir/value-types.ts";
import { elementCount, floats, tensorOfBytes, toNumbers } from "../../tensor/tensor.ts";
import type { GraphEdit } from "../edit-graph.ts";
import { fusePattern, type Match } from "./fuse-pattern.ts";
import { madeBy, numberOf, onlyReader, operandBeside } from "./match.ts";

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

/** What a node takes the root of: a Sqrt, or a Pow by 0.5 or -0.5. */
function findRoot({ graph }: GraphEdit, node: Node): { input: string; inverted: boolean } | undefined {
  const [input = "", power = ""] = node.inputs;
  if (node.opType === "Sqrt") return { input, inverted: false };
  const exponent = numberOf(graph, power);
  return Math.abs(exponent ?? 0) === 0.5 ? { input, inverted: exponent === -0.5 } : undefined;
}

interface Statistics {
  x: string;
  mean: string;
  /** All values that are x - mean. */
  centred: ReadonlySet<string>;
  epsilon: number;
  /** First of the axes that are normalised, counted from the end. */
  axis: number;
  /** Sizes of those axes. */
  sizes: readonly number[];
  parts: readonly Node[];
}

/** Reads `variance + epsilon` backwards to x. */
function findStatistics(edit: GraphEdit, input: string): Statistics | undefined {
  const { graph } = edit;
  const add = madeBy(edit, input, "Add");
  const variance = add?.inputs.find((name) => numberOf(graph, operandBeside(add, name) ?? "") !== undefined);
  const outer = variance === undefined ? undefined : madeBy(edit, variance, "ReduceMean");
  const square = outer && edit.producer(outer.inputs[0] as string);
  if (add === undefined || outer === undefined || square === undefined) return undefined;
  const differences = squared(graph, square).flatMap((name) => madeBy(edit, name, "Sub") ?? []);
  const [x = "", mean = ""] = differences[0]?.inputs ?? [];
  const inner = madeBy(edit, mean, "ReduceMean");
  const axes = axesOf(graph, outer, x);
  if (inner?.inputs[0] !== x || axes === undefined || dtypeOf(graph, x) !== "float32") return undefined;
  if (differences.some((node) => node.inputs[0] !== x || node.inputs[1] !== mean)) return undefined;
  if (axesOf(graph, inner, x)?.axis !== axes.axis) return undefined;
  const all = edit.readers(mean).filter(({ opType, inputs }) => opType === "Sub" && inputs[0] === x);
  return {
    ...{ x, mean, centred: new Set(all.map(({ outputs }) => outputs[0] as string)), ...axes },
    epsilon: numberOf(graph, operandBeside(add, variance as string) as string) as number,
    parts: [inner, ...all, square, outer, add],
  };
}

/** The factors of a square: of a Pow by 2, or of a Mul. */
function squared(graph: Graph, node: Node): string[] {
  const [base = "", other = ""] = node.inputs;
  if (node.opType === "Mul") return [base, other];
  return node.opType === "Pow" && numberOf(graph, other) === 2 ? [base] : [];
}

/** The axes of a mean that are the last ones of x and stay as ones, of known sizes. */
function axesOf(graph: Graph, node: Node, x: string): Pick<Statistics, "axis" | "sizes"> | undefined {
  const shape = shapeOf(graph, x);
  const listed = graph.initializers.get(node.inputs[1] ?? "");
  const axes = listed === undefined ? intsOf(node, "axes") : toNumbers(listed);
  if (shape === undefined || axes === undefined || intOf(node, "keepdims", 1) !== 1) return undefined;
  const places = new Set(axes.map((axis) => (axis < 0 ? axis + shape.length : axis)));
  const sizes = shape.slice(shape.length - places.size);
  const isLast = sizes.every(
    (size, i) => typeof size === "number" && places.has(shape.length - sizes.length + i),
  );
  return places.size > 0 && isLast ? { axis: -places.size, sizes: sizes as number[] } : undefined;
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
    ...{ parts, last, attributes: { axis, epsilon: float(epsilon) } },
    inputs: () => [
      ...[x, scale === undefined ? ones(edit, sizes) : shaped(edit, scale, sizes)],
      ...(bias === undefined ? [] : [shaped(edit, bias, sizes)]),
    ],
  };
}

/** Whether a value is a constant of these sizes, behind any number of ones. */
function isParameter({ initializers }: Graph, name: string, sizes: readonly number[]): boolean {
  const tensor = initializers.get(name);
  if (tensor?.dtype !== "float32" || tensor.dims.length < sizes.length) return false;
  return (
    elementCount(tensor.dims) === elementCount(sizes) &&
    sizes.every((size, i) => tensor.dims.at(i - sizes.length) === size)
  );
}

/** The constant without the ones in front of its dimensions. */
function shaped(edit: GraphEdit, name: string, sizes: readonly number[]): string {
  const tensor = edit.graph.initializers.get(name);
  if (tensor === undefined || tensor.dims.length === sizes.length) return name;
  return edit.emit.constant(tensorOfBytes(tensor.dtype, sizes, tensor.bytes), name);
}

const ones = (edit: GraphEdit, sizes: readonly number[]): string =>
  edit.emit.constant(floats(new Array<number>(elementCount(sizes)).fill(1), sizes), "scale");
