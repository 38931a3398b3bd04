/** What a part of a step is computed with: float operators, or integer kernels on codes. */
export type Arithmetic = "float" | "integer";

/** The arithmetic of a training step. */
export interface StepArithmetic {
  forward: Arithmetic;
  /** Of the data gradients of layers. */
  backward: Arithmetic;
}

/** The candidates for one part of a step, the one that is expected to be faster first; a single one is settled. */
export type Candidates = readonly [likely: Arithmetic, ...others: Arithmetic[]];

/**
 * What a training step may be computed with. Where a part has several candidates, graphs are built with each and raced
 * (see training-model.ts). Whether an integer backward is expected to be faster also depends on the graph: where it is not,
 * the float one takes its place as the likely one.
 */
export interface OpenArithmetic {
  forward: Candidates;
  backward: Candidates;
}

/** Whether a part of a step has to be computed with an arithmetic. */
export const isSettledOn = ([likely, ...others]: Candidates, arithmetic: Arithmetic): boolean =>
  others.length === 0 && likely === arithmetic;

/**
 * What takes the least memory to build and to run: a forward on integer kernels, where it may be, and a float backward; for
 * an integer one, gradients have to be measured first, which takes more memory than training.
 */
export const leastMemory = ({ forward }: OpenArithmetic): OpenArithmetic => ({
  forward: forward.includes("integer") ? ["integer"] : forward,
  backward: ["float"],
});

/** Orders arithmetics by how exact their gradients are, the most exact first; a backward in codes rounds more. */
export const compareExactness = (a: StepArithmetic, b: StepArithmetic): number => rounding(a) - rounding(b);

const rounding = ({ forward, backward }: StepArithmetic): number =>
  Number(forward === "integer") + 2 * Number(backward === "integer");
