import type { Graph, Node } from "../../ir/model.ts";
import type { OperatorName } from "../../ops/operator-names.ts";
import type { ActivationBits, Bits } from "../types.ts";
import type { StructureRule } from "./structure-rules.ts";

/** How a runtime runs an operator on codes. */
export interface OperatorUse {
  /**
   * "codes": the operator runs on codes only if its output is quantized; "any": it writes codes or floats, as its
   * readers need.
   */
  writes: "codes" | "any";
  /**
   * "always": quantized whatever its neighbours are. "between codes": only if one of its inputs is available as codes
   * and, where the kernel must write codes, some node reads them.
   */
  where: "always" | "between codes";
  /** "residual": of a sum, only the operand that does not come directly from a layer is quantized. */
  operands?: "residual";
  /** One scale per row of its weight (default), or one for all. */
  granularity?: "channel" | "tensor";
  /** The Add of a constant behind it is its bias. */
  absorbsBiasAdd?: true;
  /** Why a node of this operator is better left in float. */
  refuse?: (node: Node, graph: Graph) => string | undefined;
}

/**
 * What a runtime needs of a quantized file, as data: which operators it runs on codes, and the layout of quantizers for
 * which it does. What an operator computes is in the catalogue (`ops/catalogue`).
 */
export interface Target {
  name: string;
  /** What it is for, in a line. */
  describe: string;
  /** The runtime as a subject: "ONNX Runtime's CPU provider". */
  runtime: string;
  operators: Readonly<Partial<Record<OperatorName, OperatorUse>>>;
  /** How operators on floats that are not listed in `operators` are quantized. Default: they stay float. */
  others?: OperatorUse;
  /** Operators that move codes and whose outputs share the input's scale and zero point. */
  carries: readonly OperatorName[];
  /** Where a shared quantizer is inserted: at every value that shares it, or at the first only. */
  sharedQuantizers: "every value" | "first value";
  /** What float operators read of a value that is quantized for other readers: the dequantized or the float value. */
  floatReaders: "dequantized" | "floats";
  /**
   * How Relu and Clip are handled. "codes": removed; a Clip on the codes replaces them where saturation alone is not
   * the same function. "free": removed only where saturation is the same function. "kept": they stay, and the runtime
   * fuses them into the layer in front.
   */
  saturation: "codes" | "free" | "kept";
  activations: {
    /** Bits that activations may have. */
    bits: readonly ActivationBits[];
    signed: boolean;
    /** Zero points are zero (of signed codes). */
    symmetric: boolean;
    /** Operators whose outputs get the range in the catalogue instead of a measured one. */
    fixedRanges: readonly OperatorName[];
    /** Least width of a range; narrower ones are widened. */
    leastRange?: number;
  };
  weights: {
    bits: readonly Bits[];
    /**
     * Largest allowed sum of two codes of the same sign in a row, for runtimes that add pairs of products with 255 in
     * saturating int16.
     */
    pairLimit?: number;
  };
  /** What a Gather of rows of a constant table reads: codes, dequantized after the Gather, or floats. */
  tables: "codes" | "floats";
  /** "int32": biases are int32 codes of scale s_x * s_w, read through a DequantizeLinear. */
  bias: "int32" | "float";
  /** "codes": outputs of the model are quantized too. */
  graphOutputs: "codes" | "float";
  shapes: "open" | "static";
  /** How 4-bit codes may be stored. */
  int4: readonly ("container" | "initializer")[];
  /**
   * Whether ONNX Runtime's integer kernels compute the same as this target's layers between DequantizeLinear and
   * QuantizeLinear, so that training may run its forward on them.
   */
  integerForward: boolean;
  /**
   * Whether ONNX Runtime's CPU provider runs the file on integers, so that an audit of its kernels shows the integer
   * share.
   */
  audited: boolean;
  verified: {
    /**
     * "runs": verified in the runtime itself; "structure": by the rules only, with accuracy measured in ONNX Runtime.
     */
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

/** How a target runs an operator on codes; undefined where the operator stays float. */
export function useOf(target: Target, opType: string): OperatorUse | undefined {
  return Object.hasOwn(target.operators, opType) ? target.operators[opType as OperatorName] : target.others;
}

export const carries = (target: Target, opType: string): boolean =>
  (target.carries as readonly string[]).includes(opType);

/** Whether the target's kernels add products of codes without saturation, so that its files have no `pairLimit`. */
export const isExact = ({ weights }: Pick<Target, "weights">): boolean => weights.pairLimit === undefined;
