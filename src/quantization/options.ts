import { usageError } from "../errors.ts";
import { targetNamed } from "./targets/table.ts";
import type { Target } from "./targets/target.ts";
import type { ActivationBits, Bits } from "./types.ts";

/** What the user may choose about the plan. */
export interface PlanOptions {
  /** The runtime that the file is for, or its name. Default: ort-cpu. */
  target?: Target | string;
  /** Bits of weights. Default 8. */
  wbits?: Bits;
  /** Bits of what Conv, Gemm and MatMul read. Default 8. */
  abits?: ActivationBits;
  /**
   * Signed (int8) instead of unsigned (uint8) activation codes. Default: the target's. On x64, ONNX Runtime rewrites int8
   * activations to uint8 where it can and runs the rest in float.
   */
  signedActivations?: boolean;
  /** Zero point in the middle of the activation codes; a Relu then needs bounds on the codes. Default: the target's. */
  symmetricActivations?: boolean;
  /**
   * Bits of the first and last weighted layers, of weights and inputs: "8" (default), or "same" as the other layers.
   */
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
  /** Values that must not be quantized, with the reason: nodes that would read or write their codes stay float. */
  floatValues?: ReadonlyMap<string, string>;
}

export type ResolvedPlanOptions = Required<Omit<PlanOptions, "target">> & { target: Target };

const choices: Readonly<Record<string, readonly unknown[]>> = {
  wbits: [8, 4],
  abits: [16, 8, 4],
  firstLast: ["8", "same"],
  otherActivations: ["8", "same"],
};

/** Fills in defaults; throws a usage error for values outside the choices. */
export function resolvePlanOptions(options: PlanOptions): ResolvedPlanOptions {
  const target = targetNamed(options.target);
  const { signed, symmetric } = target.activations;
  const resolved: ResolvedPlanOptions = {
    target,
    wbits: options.wbits ?? 8,
    abits: options.abits ?? 8,
    signedActivations: options.signedActivations ?? signed,
    symmetricActivations: options.symmetricActivations ?? symmetric,
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
  checkBits(resolved);
  return resolved;
}

/** Throws where the target's runtime has no kernels for the requested bits or needs signed symmetric activations. */
function checkBits({
  target,
  wbits,
  abits,
  signedActivations,
  symmetricActivations,
}: ResolvedPlanOptions): void {
  const wrong = (name: string, what: string, hint: string): never => {
    throw usageError(name, `The target ${target.name} has no ${what}`, name, hint);
  };
  const { activations, weights } = target;
  const choose = (bits: readonly ActivationBits[]): string =>
    `Choose ${bits.join(" or ")}, or another target.`;
  if (!weights.bits.includes(wbits)) wrong("wbits", `weights of ${wbits} bits`, choose(weights.bits));
  if (!activations.bits.includes(abits))
    wrong("abits", `activations of ${abits} bits`, choose(activations.bits));
  if (activations.symmetric && !(signedActivations && symmetricActivations))
    wrong(
      "symmetricActivations",
      "codes but signed ones around zero",
      "Leave the option out, or choose another target.",
    );
}
