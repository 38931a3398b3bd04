import { floatOf, intOf } from "../../ir/attributes.ts";
import type { Node } from "../../ir/model.ts";
import { movementOf } from "../../ops/catalogue/catalogue.ts";
import { tensorOf } from "../../tensor/tensor.ts";
import type { GradientBuilder } from "../gradient-builder.ts";
import { moveCodes } from "./move-codes.ts";
import type { Operand } from "./operands.ts";

/** Scale and zero point that a kernel's codes are to have. */
export interface Step {
  scale: string;
  zeroPoint: string;
}

/** A node of the forward as its integer kernel sees it. */
export interface KernelSite {
  node: Node;
  /** The quantized value behind an input; undefined where the input is float or missing. */
  operand(slot: number): Operand | undefined;
  /** What its quantizer makes of the output; undefined: the output stays float. */
  step: Step | undefined;
  /** Number of scales of a per-channel operand. */
  rowsOf(operand: Operand): number;
}

export interface KernelContext extends KernelSite {
  build: GradientBuilder;
}

/** An integer kernel of ONNX Runtime that computes what an operator between DequantizeLinear and QuantizeLinear does. */
export interface Kernel {
  /** Whether the kernel is of the default domain, and so allowed in portable graphs. */
  portable: (c: KernelSite) => boolean;
  /** Whether its codes are rounded from something finer. */
  rounds: boolean;
  fits(c: KernelSite): boolean;
  /** Emits the kernel and returns its output: codes, or a float value where there is no step. */
  emit(c: KernelContext): string;
}

const always = (): boolean => true;
const never = (): boolean => false;

/** An operator that picks or moves elements: the same operator on the codes, where the step is the same after it. */
const movement: Kernel = {
  portable: always,
  rounds: false,
  fits: (c) => {
    const from = c.operand(0);
    if (from === undefined || c.step === undefined || c.node.outputs.length !== 1) return false;
    return from.axis === undefined && from.scale === c.step.scale && from.zeroPoint === c.step.zeroPoint;
  },
  emit: (c) => copyOf(c, c.node.opType, [codesOf(c, 0), ...c.node.inputs.slice(1)], c.node),
};

/** Integer kernels by the operator they stand for, all of the same names and semantics as in deployed models. */
const kernels: Readonly<Record<string, Kernel>> = {
  Conv: {
    portable: always,
    rounds: true,
    fits: (c) => c.step !== undefined && isActivation(c, 0) && isWeight(c, 1, 0),
    emit: (c) => {
      const bias = biasOf(c, 2);
      const inputs = [...operand(c, 0), ...operand(c, 1), ...outputStep(c), ...(bias === "" ? [] : [bias])];
      return copyOf(c, "QLinearConv", inputs, c.node);
    },
  },
  Gemm: {
    portable: never,
    rounds: true,
    fits: (c) =>
      isActivation(c, 0) && isWeight(c, 1, intOf(c.node, "transB", 0) === 1 ? 0 : 1) && isPlainGemm(c.node),
    emit: (c) => {
      const inputs = [...operand(c, 0), ...operand(c, 1), biasOf(c, 2)];
      const attributes = { transB: intOf(c.node, "transB", 0) };
      return c.build.op(
        "QGemm",
        [...inputs, ...(c.step === undefined ? [] : outputStep(c))],
        attributes,
        contrib,
      );
    },
  },
  MatMul: {
    portable: (c) => c.step !== undefined,
    rounds: true,
    fits: (c) => isActivation(c, 0) && (isActivation(c, 1) || isWeight(c, 1, 1)),
    emit: (c) => {
      if (c.step !== undefined)
        return c.build.op("QLinearMatMul", [...operand(c, 0), ...operand(c, 1), ...outputStep(c)]);
      const [x, xScale, xZero] = operand(c, 0) as [string, string, string];
      const [w, wScale, wZero] = operand(c, 1) as [string, string, string];
      return c.build.op("MatMulIntegerToFloat", [x, w, xScale, wScale, xZero, wZero], {}, contrib);
    },
  },
  Add: elementwise("QLinearAdd"),
  Mul: elementwise("QLinearMul"),
  AveragePool: unary("QLinearAveragePool"),
  GlobalAveragePool: unary("QLinearGlobalAveragePool", { channels_last: 0 }),
  LeakyRelu: unary("QLinearLeakyRelu"),
  Sigmoid: unary("QLinearSigmoid"),
  Softmax: unary("QLinearSoftmax", { opset: 13 }),
  Concat: {
    portable: never,
    rounds: true,
    fits: (c) => c.step !== undefined && c.node.inputs.every((_, slot) => isActivation(c, slot)),
    emit: (c) => {
      const parts = c.node.inputs.flatMap((_, slot) => operand(c, slot));
      return copyOf(c, "QLinearConcat", [...outputStep(c), ...parts], c.node, contrib);
    },
  },
  Where: {
    portable: never,
    rounds: true,
    fits: (c) => c.step !== undefined && isActivation(c, 1) && isActivation(c, 2),
    emit: (c) => {
      const inputs = [c.node.inputs[0] ?? "", ...operand(c, 1), ...operand(c, 2), ...outputStep(c)];
      return c.build.op("QLinearWhere", inputs, {}, contrib);
    },
  },
};

/** The integer kernel for a node, as far as its operator tells. */
export function kernelOf(node: Node): Kernel | undefined {
  if (node.domain !== "") return undefined;
  if (Object.hasOwn(kernels, node.opType)) return kernels[node.opType];
  return movementOf(node)?.slot === 0 ? movement : undefined;
}

const contrib = "com.microsoft";

function elementwise(opType: string): Kernel {
  return {
    portable: never,
    rounds: true,
    fits: (c) => c.step !== undefined && isActivation(c, 0) && isActivation(c, 1),
    emit: (c) => c.build.op(opType, [...operand(c, 0), ...operand(c, 1), ...outputStep(c)], {}, contrib),
  };
}

/** The attributes of the operator, and `more`. */
function unary(opType: string, more: Readonly<Record<string, number>> = {}): Kernel {
  return {
    portable: never,
    rounds: true,
    fits: (c) => c.step !== undefined && isActivation(c, 0),
    emit: (c) => {
      const attributes = { ...Object.fromEntries(c.node.attributes), ...more };
      return c.build.op(opType, [...operand(c, 0), ...outputStep(c)], attributes, contrib);
    },
  };
}

const isActivation = (c: KernelSite, slot: number): boolean => {
  const found = c.operand(slot);
  return found !== undefined && found.axis === undefined && found.zeroPoint !== "";
};

const isWeight = (c: KernelSite, slot: number, axis: number): boolean => {
  const found = c.operand(slot);
  return found !== undefined && found.zeroPoint === "" && (found.axis === undefined || found.axis === axis);
};

const isPlainGemm = (node: Node): boolean =>
  intOf(node, "transA", 0) === 0 && floatOf(node, "alpha", 1) === 1 && floatOf(node, "beta", 1) === 1;

/** An operator with the attributes of a node of the forward. */
const copyOf = (
  c: KernelContext,
  opType: string,
  inputs: readonly string[],
  node: Node,
  domain = "",
): string => c.build.op(opType, inputs, Object.fromEntries(node.attributes), domain);

/** Codes of an operand, moved as the float value was. */
const codesOf = (c: KernelContext, slot: number): string => moveCodes(c.build, c.operand(slot) as Operand);

/** Codes, scale and zero point as three inputs; per-channel weights need one zero per channel. */
function operand(c: KernelContext, slot: number): string[] {
  const found = c.operand(slot) as Operand;
  return [codesOf(c, slot), found.scale, found.zeroPoint === "" ? zerosFor(c, found) : found.zeroPoint];
}

function zerosFor(c: KernelContext, weight: Operand): string {
  const dims = weight.axis === undefined ? [] : [c.rowsOf(weight)];
  return c.build.emitter.constant(tensorOf("int8", dims, new Int8Array(dims[0] ?? 1)));
}

const outputStep = ({ step }: KernelContext): string[] => [step?.scale ?? "", step?.zeroPoint ?? ""];

/** The largest float32 below 2^31. */
const int32Bound = 2147483520;

/** The bias in units of the accumulator, x's scale times w's: int32, rounded half to even as at export. */
function biasOf(c: KernelContext, slot: number): string {
  const bias = c.node.inputs[slot] ?? "";
  if (bias === "") return "";
  const { build: b } = c;
  const unit = b.mul((c.operand(0) as Operand).scale, (c.operand(1) as Operand).scale);
  const rounded = b.op("Round", [b.div(bias, unit)]);
  return b.cast(b.op("Clip", [rounded, b.scalar(-int32Bound), b.scalar(int32Bound)]), "int32");
}
