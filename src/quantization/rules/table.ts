import type { Node } from "../../ir/model.ts";
import { rowOf } from "../../ops/catalogue/catalogue.ts";
import type { OperatorKind } from "../../ops/catalogue/row.ts";
import { carries, type Target, useOf } from "../targets/target.ts";
import { conv, convTranspose } from "./convolution.ts";
import { binary, concat, residual, unary, unit, where } from "./elementwise.ts";
import { gemm, matMul } from "./linear.ts";
import { carry } from "./movement.ts";
import type { Rule } from "./rule.ts";
import { clip, relu } from "./saturating.ts";

/** What integer kernels read and write, by operator. Targets list which of these kernels their runtime has. */
const rules: Readonly<Record<string, Rule>> = {
  Add: binary,
  AveragePool: unary,
  Clip: clip,
  Concat: concat,
  Conv: conv,
  ConvTranspose: convTranspose,
  Gemm: gemm,
  GlobalAveragePool: unary,
  LeakyRelu: unary,
  MatMul: matMul,
  Mul: binary,
  Relu: relu,
  Sigmoid: unary,
  Softmax: unary,
  Where: where,
};

/** Kinds of operators that targets with `others` (any operator as a unit) run on codes. */
const unitKinds: readonly OperatorKind[] = [
  "elementwise",
  "movement",
  "normalization",
  "pooling",
  "reduction",
];

/** The rule for a node's operator on a target; undefined where the target runs it in float. */
export function ruleOf(
  { domain, opType }: Pick<Node, "domain" | "opType">,
  target: Target,
): Rule | undefined {
  const row = domain === "" ? rowOf({ domain, opType }) : undefined;
  if (row === undefined) return undefined;
  if (carries(target, opType)) return carry;
  const own = Object.hasOwn(rules, opType) ? rules[opType] : undefined;
  if (own === relu || own === clip) return own;
  const use = useOf(target, opType);
  if (use === undefined) return undefined;
  if (use.operands === "residual") return residual;
  return own ?? (row.note === undefined && unitKinds.includes(row.kind) ? unit : undefined);
}
