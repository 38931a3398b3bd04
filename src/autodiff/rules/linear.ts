import { floatOf, intOf } from "../../ir/attributes.ts";
import { elementCount } from "../../tensor/tensor.ts";
import { innerProduct } from "../inner-product.ts";
import { rule, type RuleContext, type TrainedWeight } from "../rule.ts";
import { linearPart, weightScaleGradient } from "./weight-scale.ts";

/**
 * Forward   y = alpha * a · w + beta * c      a: [M, K] (or its transpose), w: [K, N] (or its transpose)
 * Backward  da = alpha * dy · wᵀ
 *           dw[rows] = alpha * dy[:, rows]ᵀ · a      columns of frozen channels are never computed
 *           dc = beta * dy, summed to c's shape
 */
export const gemm = rule(
  (c, dy) => {
    const { build: b } = c;
    const scaled = times(c, dy, floatOf(c.node, "alpha", 1));
    const da = c.wants(0) ? linearDataGradient(c, scaled, intOf(c.node, "transB", 0)) : null;
    return [
      da !== null && intOf(c.node, "transA", 0) === 1 ? b.transpose(da, [1, 0]) : da,
      c.wants(1) ? gemmWeightGradient(c, dy, scaled, da) : null,
      c.wants(2)
        ? b.unbroadcast(times(c, dy, floatOf(c.node, "beta", 1)), c.output().shape, c.input(2).shape)
        : null,
    ];
  },
  {
    refuse: (c) => {
      const axis = c.trainedWeight(1)?.axis;
      return axis === undefined || axis === (intOf(c.node, "transB", 0) === 1 ? 0 : 1)
        ? undefined
        : "its quantized weight has scales along another axis than its rows";
    },
  },
);

function gemmWeightGradient(c: RuleContext, dy: string, scaled: string, da: string | null): string | null {
  const { build: b } = c;
  const given = c.input(0).name;
  const weight = c.trainedWeight(1);
  const transA = intOf(c.node, "transA", 0);
  if (weight === undefined) {
    return intOf(c.node, "transB", 0) === 1
      ? b.gradient("MatMulTransposed", [scaled, given], { transA: 1, transB: transA })
      : b.gradient("MatMulTransposed", [given, scaled], { transA: 1 - transA, transB: 0 });
  }
  if (weight.rows !== undefined) {
    const a = transA === 1 ? b.transpose(given, [1, 0]) : given;
    c.contribute(weight.codes, rowGradient(c, a, scaled, weight.rows));
  }
  if (weight.wantsScale) offerScale(c, weight, { dy, da }, 1, gemmBias(c));
  return null;
}

/** The scale's gradient, and with it <da, a>. */
function offerScale(
  c: RuleContext,
  weight: TrainedWeight,
  { dy, da }: { dy: string; da: string | null },
  axis: number,
  bias: string | undefined,
): void {
  c.contribute(weight.scale, weightScaleGradient(c, weight, dy, axis, bias));
  const shortcut = (): string => c.build.sum(linearPart(c, dy, axis, bias));
  if (da !== null) c.offerDot(0, () => innerProduct(c.build, da, c.input(0), shortcut()));
}

/** beta * c as one number per channel or for all; the scale's gradient needs nothing more general in practice. */
function gemmBias(c: RuleContext): string | undefined {
  if (!c.has(2)) return undefined;
  const { name, shape } = c.input(2);
  const flat = shape.length > 1 ? c.build.reshape(name, [elementCount(shape)]) : name;
  return times(c, flat, floatOf(c.node, "beta", 1));
}

/**
 * Forward   y = a · b, over leading batch dimensions that broadcast; one-dimensional operands are a row or a column
 * Backward  da = dy · bᵀ,  db = aᵀ · dy,  each summed over the batch dimensions it was broadcast along
 *           db[:, rows] of a quantized b: [K, N] as (dy[:, rows]ᵀ · a), [R, K]
 */
export const matMul = rule(
  (c, dy) => {
    const rank = c.input(1).shape.length;
    const flat = rank === 2 && c.input(0).shape.length >= 2;
    const da = c.wants(0) ? (flat ? linearDataGradient(c, dy, 0) : operandGradient(c, dy, 0)) : null;
    return [da, c.wants(1) ? (rank === 2 ? matrixGradient(c, dy, da) : operandGradient(c, dy, 1)) : null];
  },
  {
    refuse: (c) => {
      const weight = c.trainedWeight(1);
      if (weight === undefined) return undefined;
      if (c.input(1).shape.length !== 2)
        return `its quantized weight has rank ${c.input(1).shape.length}, not 2`;
      return weight.axis === undefined || weight.axis === 1
        ? undefined
        : "its quantized weight has scales along another axis than the last";
    },
  },
);

/** db of a matrix b, all leading dimensions of a taken as one. */
function matrixGradient(c: RuleContext, dy: string, da: string | null): string | null {
  const { build: b } = c;
  const [k, n] = c.input(1).shape as [number, number];
  const tokens = elementCount(c.input(0).shape) / k;
  const a = flattened(c, c.input(0).name, c.input(0).shape, [tokens, k]);
  const g = flattened(c, dy, c.output().shape, [tokens, n]);
  const weight = c.trainedWeight(1);
  if (weight === undefined) return b.gradient("MatMulTransposed", [a, g], { transA: 1, transB: 0 });
  if (weight.rows !== undefined) c.contribute(weight.codes, rowGradient(c, a, g, weight.rows));
  if (weight.wantsScale) {
    offerScale(c, weight, { dy, da }, c.output().shape.length - 1, undefined);
  }
  return null;
}

/** Gradient of one operand where both may be stacks of matrices. */
function operandGradient(c: RuleContext, dy: string, slot: 0 | 1): string {
  const { build: b } = c;
  const [aShape, bShape] = [matrixShape(c.input(0).shape, 0), matrixShape(c.input(1).shape, 1)];
  const batch = broadcastShape(aShape.slice(0, -2), bShape.slice(0, -2));
  const [m, n] = [aShape.at(-2) as number, bShape.at(-1) as number];
  const g = flattened(c, dy, c.output().shape, [...batch, m, n]);
  const own = slot === 0 ? aShape : bShape;
  const full = [...batch, ...own.slice(-2)];
  const other = slot === 0 ? bShape : aShape;
  const operand = flattened(c, c.input(1 - slot).name, c.input(1 - slot).shape, other);
  const rankOfG = batch.length + 2;
  const product =
    slot === 0
      ? b.gradient("MatMulTransposed", [g, operand], { transB: 1, rankA: rankOfG, rankB: other.length })
      : b.gradient("MatMulTransposed", [operand, g], { transA: 1, rankA: other.length, rankB: rankOfG });
  return flattened(c, b.unbroadcast(product, full, own), own, c.input(slot).shape);
}

function linearDataGradient(c: RuleContext, dy: string, transposed: number): string {
  const quantized = c.dequantizedWeight(1);
  const rowAxis = transposed === 1 ? 0 : 1;
  const parts =
    quantized === undefined || quantized.axis !== rowAxis ? [] : [quantized.codes, quantized.scale];
  return c.build.gradient("LinearDataGrad", [dy, c.input(1).name, ...parts], {
    transposed,
    w_shape: c.input(1).shape,
    y_shape: c.output().shape,
  });
}

function rowGradient(c: RuleContext, a: string, dy: string, rows: string): string {
  const [k, n] = weightSize(c);
  const tokens = elementCount(c.output().shape) / n;
  return c.build.gradient("LinearWeightGrad", [a, dy, rows], { x_shape: [tokens, k], y_shape: [tokens, n] });
}

/** [K, N] of the weight, however it is stored. */
function weightSize(c: RuleContext): [number, number] {
  const [first, second] = c.input(1).shape as [number, number];
  return c.node.opType === "Gemm" && intOf(c.node, "transB", 0) === 1 ? [second, first] : [first, second];
}

function times(c: RuleContext, value: string, factor: number): string {
  return factor === 1 ? value : c.build.mul(value, c.build.scalar(factor, c.output().dtype));
}

function flattened(c: RuleContext, value: string, from: readonly number[], to: readonly number[]): string {
  return from.join() === to.join() ? value : c.build.reshape(value, to);
}

/** A vector as the row (left operand) or column (right operand) that MatMul takes it for. */
function matrixShape(shape: readonly number[], slot: 0 | 1): number[] {
  if (shape.length > 1) return [...shape];
  return slot === 0 ? [1, ...shape] : [...shape, 1];
}

function broadcastShape(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const left = a[i - rank + a.length] ?? 1;
    const right = b[i - rank + b.length] ?? 1;
    return left === 1 ? right : left;
  });
}
