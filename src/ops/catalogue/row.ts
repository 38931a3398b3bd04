import type { Node } from "../../ir/model.ts";

/** What an operator does, in one word. */
export type OperatorKind =
  /** Sums of products with a weight or a second operand. */
  | "product"
  /** A product per step of a sequence. */
  | "recurrent"
  | "elementwise"
  /** Truth values of pairs of elements. */
  | "comparison"
  | "reduction"
  | "pooling"
  | "normalization"
  /** Moves or selects elements. */
  | "movement"
  /** Values between the elements of a map: crops, grids, patches. */
  | "sampling"
  /** Transforms and windows of signals. */
  | "signal"
  | "loss"
  | "conversion"
  /** Truth values and bits. */
  | "logic"
  /** Shapes, counts and positions: integers about the data. */
  | "index"
  /** Values out of attributes and shapes alone. */
  | "generator"
  /** Other values at every run. */
  | "random"
  | "control"
  /** Sequences, optionals and maps. */
  | "container"
  | "text"
  /** Computes on integer codes, or makes or unmakes them. */
  | "codes";

export type ParameterRole =
  | "weight"
  | "recurrent weight"
  | "bias"
  | "norm scale"
  | "norm bias"
  /** Running mean or variance. */
  | "norm statistic"
  /** What values below 0 are multiplied by. */
  | "slope"
  /** Of the codes that are multiplied with the weight. */
  | "input zero point"
  | "table";

/** An input that is a parameter where it is a constant. */
export interface ParameterPort {
  slot: number;
  role: ParameterRole;
  /** Row axis (that of output channels) of a parameter of rank `rank`; left out where it has one dimension. */
  axis?: (node: Node, rank: number) => number;
}

/** Outputs are elements of these inputs, as they are: what holds for values holds for their codes. */
export interface Movement {
  /** Inputs whose elements come out; with more than one, codes must have one scale and zero point. */
  from: readonly number[] | "all";
  /** Outputs that hold them; others (indices) hold none. */
  to: readonly number[] | "all";
  /** Elements stay in row-major order: only the shape is another. */
  keepsOrder?: true;
  /** Why a node of this operator computes new values after all. */
  refuse?: (node: Node) => string | undefined;
}

/** How multiply-accumulates are counted from the shapes of the data input, the weight and the output. */
export type MacCount =
  | "convolution"
  | "transposed convolution"
  | "matrix product"
  /** A product with the weight and one with the recurrent weight per step. */
  | "recurrent"
  /** Products of queries with keys, and of their scores with values. */
  | "attention"
  /** The same behind a product that makes all three of one input. */
  | "projected attention"
  /** A product whose weight is packed: its inner size is the attribute K. */
  | "packed product";

/** What ONNX says of an operator. What a runtime makes of it is said by targets, gradients by autodiff's rules. */
export interface OperatorRow {
  kind: OperatorKind;
  parameters?: readonly ParameterPort[];
  moves?: Movement;
  /** Least and largest value of the outputs, whatever the inputs are. */
  range?: readonly [number, number];
  macs?: MacCount;
  /** Shapes of outputs depend on values of inputs, not on shapes alone. */
  shapedByData?: true;
  /** Of operators on codes: what the first output holds. */
  writes?: "codes" | "float" | "accumulator";
  /** Inputs that ONNX Runtime may write the output over where nobody else reads them. */
  overwrites?: readonly number[];
  /** Why it is never quantized, where the kind does not tell. */
  note?: string;
}

/** One row for several operators. */
export const alike = <const Name extends string>(
  names: readonly Name[],
  row: OperatorRow,
): Record<Name, OperatorRow> =>
  Object.fromEntries(names.map((name) => [name, row])) as Record<Name, OperatorRow>;
