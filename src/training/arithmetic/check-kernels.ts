import { environmentError } from "../../errors.ts";
import { kernelsSaturate } from "../../runtime/saturation.ts";
import type { AskedArithmetic } from "./open-arithmetic.ts";

/** @throws UserError environment/saturation where a step is to run on integer kernels that saturate on this machine */
export async function checkKernels(arithmetic: AskedArithmetic, hint: string): Promise<void> {
  const asked = (["forward", "backward"] as const).filter((part) => arithmetic[part] === "integer");
  if (asked.length === 0 || !(await kernelsSaturate())) return;
  throw environmentError(
    "saturation",
    `The ${asked.join(" and the ")} of a step cannot be computed in integers here: on this processor, which has no VNNI instructions, ONNX Runtime's 8-bit kernels saturate sums of large products`,
    asked.map((part) => `--${part}`).join(", "),
    hint,
  );
}
