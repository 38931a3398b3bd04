import { conv, convTranspose } from "./convolution.ts";
import { binary, concat, unary, where } from "./elementwise.ts";
import { gemm, matMul } from "./linear.ts";
import { carry, resize } from "./movement.ts";
import { maxPool } from "./pooling.ts";
import type { Rule } from "./rule.ts";
import { clip, relu } from "./saturating.ts";

/** Operators of the default domain with a rule; all others stay in float (float-operators.ts says why). */
export const rules = {
  Add: binary,
  AveragePool: unary,
  Clip: clip,
  Concat: concat,
  Conv: conv,
  ConvTranspose: convTranspose,
  Expand: carry,
  Flatten: carry,
  Gather: carry,
  GatherElements: carry,
  Gemm: gemm,
  GlobalAveragePool: unary,
  Identity: carry,
  LeakyRelu: unary,
  MatMul: matMul,
  MaxPool: maxPool,
  Mul: binary,
  ReduceMax: carry,
  ReduceMin: carry,
  Relu: relu,
  Reshape: carry,
  Resize: resize,
  Sigmoid: unary,
  Slice: carry,
  Softmax: unary,
  Split: carry,
  Squeeze: carry,
  Tile: carry,
  Transpose: carry,
  Unsqueeze: carry,
  Where: where,
} satisfies Readonly<Record<string, Rule>>;

export type QuantizableOperator = keyof typeof rules;

export function ruleOf(opType: string): Rule | undefined {
  return Object.hasOwn(rules, opType) ? rules[opType as QuantizableOperator] : undefined;
}
