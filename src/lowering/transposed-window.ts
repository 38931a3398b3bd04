import type { WindowProblem } from "../ops/gradient-nodes.ts";
import { overhangOf } from "../ops/window.ts";

/**
 * Pads and output padding with which ConvTranspose maps the forward output's positions back onto exactly the
 * forward input's: (y - 1)*stride + extent - pads + output_padding = x on every axis.
 */
export function transposedWindow(problem: WindowProblem): { pads: number[]; outputPadding: number[] } {
  const overhang = overhangOf(problem);
  return {
    pads: [...problem.padBegin, ...overhang.map((count) => Math.max(0, count))],
    outputPadding: overhang.map((count) => Math.max(0, -count)),
  };
}
