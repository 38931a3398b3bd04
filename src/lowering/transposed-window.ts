import type { WindowProblem } from "../ops/gradient-nodes.ts";

/**
 * Pads and output padding with which ConvTranspose maps the forward output's positions back onto exactly the
 * forward input's: (y - 1)*stride + extent - pads + output_padding = x on every axis.
 */
export function transposedWindow(problem: WindowProblem): { pads: number[]; outputPadding: number[] } {
  const padEnd: number[] = [];
  const outputPadding: number[] = [];
  problem.kernel.forEach((size, axis) => {
    const extent = (problem.dilations[axis] as number) * (size - 1) + 1;
    const span = ((problem.y[axis + 2] as number) - 1) * (problem.strides[axis] as number) + extent;
    const excess = span - (problem.padBegin[axis] as number) - (problem.x[axis + 2] as number);
    padEnd.push(Math.max(0, excess));
    outputPadding.push(Math.max(0, -excess));
  });
  return { pads: [...problem.padBegin, ...padEnd], outputPadding };
}
