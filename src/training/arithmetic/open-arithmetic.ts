import { usageError } from "../../errors.ts";
import type { Arithmetic, Candidates, OpenArithmetic } from "./arithmetic.ts";

/** What is asked of a step's arithmetic; auto: what should be faster. */
export interface AskedArithmetic {
  forward: Arithmetic | "auto";
  backward: Arithmetic | "auto";
}

/** What a step's arithmetic depends on besides what is asked. */
export interface ArithmeticFacts {
  /** Layers between DequantizeLinear and QuantizeLinear of the target's files are what integer kernels compute. */
  integerForward: boolean;
  /** All quantized activations have 8 bits: of fewer bits, an integer forward computes each layer twice (docs/method.md). */
  byteActivations: boolean;
  /** The step runs on ONNX Runtime's CPU provider, whose integer kernels are the ones meant. */
  onCpu: boolean;
  /** Integer kernels saturate on this machine (see runtime/saturation.ts). */
  saturates: boolean;
  /** The graph may only have operators of the default domain, in which there are not all that an integer backward needs. */
  portable: boolean;
}

/**
 * The arithmetics that a training step may be computed with:
 *
 * | asked | forward | backward |
 * |---|---|---|
 * | float | float | float |
 * | integer | integer; float without `integerForward` | integer; an error with `portable` |
 * | auto | integer or float with `integerForward`, `byteActivations`, `onCpu` and not `saturates`; else float | integer or float with `onCpu` and neither `saturates` nor `portable`; else float |
 *
 * That a machine's kernels saturate does not forbid integers that are asked for: the graph may be meant for another machine.
 * What is trained on this one is refused by check-kernels.ts.
 *
 * @throws UserError usage/backward for an integer backward in a portable graph
 */
export function openArithmetic(asked: AskedArithmetic, facts: ArithmeticFacts): OpenArithmetic {
  refusePortableCodes(asked, facts);
  const { integerForward, byteActivations, portable } = facts;
  const kernelsServe = facts.onCpu && !facts.saturates;
  return {
    // A forward on the kernels of another layout would not be the deployed model's.
    forward: integerForward ? candidates(asked.forward, kernelsServe && byteActivations) : ["float"],
    backward: candidates(asked.backward, kernelsServe && !portable),
  };
}

function candidates(asked: Arithmetic | "auto", integerIsOpen: boolean): Candidates {
  if (asked !== "auto") return [asked];
  return integerIsOpen ? ["integer", "float"] : ["float"];
}

/** @throws UserError usage/backward for an integer backward in a portable graph */
export function refusePortableCodes(
  { backward }: Pick<AskedArithmetic, "backward">,
  { portable }: Pick<ArithmeticFacts, "portable">,
): void {
  if (!portable || backward !== "integer") return;
  throw usageError(
    "backward",
    "An integer backward needs com.microsoft operators, which a portable artifact has none of",
    "--backward integer, --portable",
    "Leave one of them out.",
  );
}
