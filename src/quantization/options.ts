import { usageError } from "../errors.ts";
import type { Bits } from "./types.ts";

/** What the user may choose about the plan. */
export interface PlanOptions {
  /** Bits of weights. Default 8. */
  wbits?: Bits;
  /** Bits of what Conv, Gemm and MatMul read. Default 8. */
  abits?: Bits;
  /**
   * Signed (int8) instead of unsigned (uint8) activation codes, for runtimes that ask for them. Default false: on x64,
   * ONNX Runtime rewrites int8 activations to uint8 where it can and runs the rest in float.
   */
  signedActivations?: boolean;
  /** Zero point in the middle of the activation codes; keeps Relu from being free. Default false. */
  symmetricActivations?: boolean;
  /** First and last weighted layers, their weights and what they read: "8" (default) keeps 8 bits, "same" as the rest. */
  firstLast?: "8" | "same";
  /**
   * Activations that no Conv, Gemm or MatMul reads (other operands of Add and Mul, outputs of pools): "same" (default)
   * for `abits`, or "8", which costs no speed on integer kernels that work on bytes anyway.
   */
  otherActivations?: "8" | "same";
  /** Operator types left in float. */
  excludeOps?: readonly string[];
  /** Names of nodes left in float. */
  excludeNodes?: readonly string[];
  /** Values that no codes fit, and why: what reads them or writes them as codes stays float. */
  floatValues?: ReadonlyMap<string, string>;
}

export type ResolvedPlanOptions = Required<PlanOptions>;

const choices: Readonly<Record<string, readonly unknown[]>> = {
  wbits: [8, 4],
  abits: [8, 4],
  firstLast: ["8", "same"],
  otherActivations: ["8", "same"],
};

/** Fills in defaults; throws a usage error for values outside the choices. */
export function resolvePlanOptions(options: PlanOptions): ResolvedPlanOptions {
  const resolved: ResolvedPlanOptions = {
    wbits: options.wbits ?? 8,
    abits: options.abits ?? 8,
    signedActivations: options.signedActivations ?? false,
    symmetricActivations: options.symmetricActivations ?? false,
    firstLast: options.firstLast ?? "8",
    otherActivations: options.otherActivations ?? "same",
    excludeOps: options.excludeOps ?? [],
    excludeNodes: options.excludeNodes ?? [],
    floatValues: options.floatValues ?? new Map<string, string>(),
  };
  for (const [name, allowed] of Object.entries(choices)) {
    const value: unknown = resolved[name as keyof ResolvedPlanOptions];
    if (allowed.includes(value)) continue;
    throw usageError(name, `${name} is ${String(value)}`, name, `Choose ${allowed.join(" or ")}.`);
  }
  return resolved;
}
