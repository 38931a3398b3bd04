import { targets } from "../quantization/targets/table.ts";
import type { Target } from "../quantization/targets/target.ts";

/** What a target is for, in sentences. */
export interface TargetSummary {
  name: string;
  describe: string;
  /** What its files look like. */
  layout: string;
  /** In the runtime, or by structure alone. */
  checked: string;
}

/** The targets that files can be written for, the default first. */
export const listTargets = (): TargetSummary[] =>
  targets.map((target) => ({
    name: target.name,
    describe: target.describe,
    layout: describeLayout(target),
    checked: `${target.verified.by === "runs" ? "Run" : "Checked by structure"}: ${target.verified.what}.`,
  }));

function describeLayout({
  activations,
  weights,
  bias,
  shapes,
  sharedQuantizers,
  graphOutputs,
}: Target): string {
  const codes = activations.signed ? "int8" : "uint8";
  const outputs = graphOutputs === "codes" ? "quantized outputs" : "float outputs";
  return [
    `${codes} activations${activations.symmetric ? " around zero" : ""} (${activations.bits.join(" or ")} bits)`,
    `int8 weights (${weights.bits.join(" or ")} bits)`,
    `${bias} biases`,
    sharedQuantizers === "first value"
      ? "quantizers at inputs alone"
      : "quantizers around every operator on codes",
    outputs,
    shapes === "static" ? "fixed shapes" : "open batch",
  ].join(", ");
}
