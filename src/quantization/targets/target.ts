import type { Graph, Node } from "../../ir/model.ts";
import type { OperatorName } from "../../ops/operator-names.ts";
import type { ActivationBits, Bits } from "../types.ts";
import type { StructureRule } from "./structure-rules.ts";

/** How a runtime runs an operator on codes. */
export interface OperatorUse {
  /** codes: without a quantizer behind it, it stays float; any: it writes codes only where they are read. */
  writes: "codes" | "any";
  /**
   * always: quantized whatever its neighbours are; between codes: only where something it reads is codes already and,
   * if it has to write codes, something reads them.
   */
  where: "always" | "between codes";
  /** residual: of a sum only the operand that does not come straight from a layer is codes. */
  operands?: "residual";
  /** One scale per row of its weight (default), or one for all. */
  granularity?: "channel" | "tensor";
  /** The Add of a constant behind it is its bias. */
  absorbsBiasAdd?: true;
  /** Why a node of this operator is better left in float. */
  refuse?: (node: Node, graph: Graph) => string | undefined;
}

/**
 * What a runtime wants of a quantized file, as data. The catalogue says what an operator is; this says what is run on
 * codes, and how the file must look for that.
 */
export interface Target {
  name: string;
  /** What it is for, in a line. */
  describe: string;
  /** The runtime as a subject: "ONNX Runtime's CPU provider". */
  runtime: string;
  operators: Readonly<Partial<Record<OperatorName, OperatorUse>>>;
  /** What becomes of operators that compute floats and are not listed; left out: they stay float. */
  others?: OperatorUse;
  /** Operators that move codes and whose outputs share the input's scale and zero point. */
  carries: readonly OperatorName[];
  /** Where a shared quantizer stands: at every value that shares it, or at the first alone. */
  sharedQuantizers: "every value" | "first value";
  /** What operators in float read of a value that is quantized for others. */
  floatReaders: "dequantized" | "floats";
  /**
   * What becomes of Relu and Clip: codes: they go, and bounds on the codes do the same where saturation does not; free:
   * they go where the saturation of codes is the same function; kept: the runtime fuses them with what is in front.
   */
  saturation: "codes" | "free" | "kept";
  activations: {
    /** Bits that activations may have. */
    bits: readonly ActivationBits[];
    signed: boolean;
    /** Zero points are zero (of signed codes). */
    symmetric: boolean;
    /** Operators whose outputs get the range that the catalogue gives, not a measured one. */
    fixedRanges: readonly OperatorName[];
    /** Ranges are widened to at least this. */
    leastRange?: number;
  };
  weights: {
    bits: readonly Bits[];
    /** Largest sum of two codes of one sign in a row: products with 255 that are added in int16 must not saturate. */
    pairLimit?: number;
  };
  /** Rows that a Gather picks of a constant table: of its codes, which are dequantized behind it, or of floats. */
  tables: "codes" | "floats";
  /** int32: codes of scale s_x * s_w behind a DequantizeLinear. */
  bias: "int32" | "float";
  /** Whether outputs of the model come out of quantizers, too. */
  graphOutputs: "codes" | "float";
  shapes: "open" | "static";
  /** How 4-bit codes may be stored. */
  int4: readonly ("container" | "initializer")[];
  /** Whether layers between DequantizeLinear and QuantizeLinear are what ONNX Runtime's integer kernels compute. */
  integerForward: boolean;
  /** Whether ONNX Runtime's CPU provider runs the file on integers, so that its kernels tell how much is. */
  audited: boolean;
  verified: {
    /** runs: in the runtime itself; structure: by the rules alone, and in ONNX Runtime for its accuracy. */
    by: "runs" | "structure";
    what: string;
    /** What every file for this target must satisfy. */
    rules: readonly StructureRule[];
  };
}

export const always = (writes: OperatorUse["writes"]): OperatorUse => ({ writes, where: "always" });
export const betweenCodes = (writes: OperatorUse["writes"]): OperatorUse => ({
  writes,
  where: "between codes",
});

/** How a target uses the operator of a node; undefined where it stays float. */
export function useOf(target: Target, opType: string): OperatorUse | undefined {
  return Object.hasOwn(target.operators, opType) ? target.operators[opType as OperatorName] : target.others;
}

export const carries = (target: Target, opType: string): boolean =>
  (target.carries as readonly string[]).includes(opType);

/** Whether a target's kernels add up products of codes exactly, so that its files say nothing of pairs that saturate. */
export const isExact = ({ weights }: Pick<Target, "weights">): boolean => weights.pairLimit === undefined;
