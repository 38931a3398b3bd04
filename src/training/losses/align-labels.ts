import type { SequenceLayout } from "./label-sequences.ts";
import type { LossBuilder } from "./ports.ts";

/** The logarithm of a probability of 0. Finite: sums of a few are, too, and differences are no NaN. */
export const impossible = -1e30;

interface Alignment {
  /** The class of each state, [samples, states]. */
  states: string;
  /** The share of ways that are in a state at a step, [samples, steps, states]. */
  share: string;
  /** log P of each sample, [samples]; about `impossible` where its labels do not fit into the steps. */
  logLikelihood: string;
  /** Labels of each sample, [samples]. */
  count: string;
}

/**
 * All ways to write label sequences [samples, length] into steps with the log-probabilities `log` [samples, steps, classes].
 * States s of a sample are a blank, the first label z_1, a blank, ..., z_length, a blank; with e_t(s) = log y[t, class of s]
 *
 *   a_0(s) = e_0(s) for s < 2         a_t(s) = e_t(s) + lse(a_{t-1}(s), a_{t-1}(s-1), a_{t-1}(s-2) if it may be skipped to)
 *   b_T(s) = 0 for the last two s     b_t(s) = lse over the same moves from s of b_{t+1} + e_{t+1}
 *   log P  = lse_s(a_t(s) + b_t(s))   of any t;   share_t(s) = exp(a_t(s) + b_t(s) - log P)
 *
 * lse being the logarithm of a sum of exponentials. A label may be skipped to from another, not from the same.
 */
export function alignLabels(
  builder: LossBuilder,
  log: string,
  labels: string,
  { length, blank, steps }: SequenceLayout & { steps: number },
): Alignment {
  const { emit } = builder;
  const isLabel = emit.op("Greater", [labels, builder.integer(-1)]);
  const count = builder.sum(emit.op("Cast", [isLabel], { to: 1 }), 1);
  const classes = emit.op("Where", [isLabel, labels, builder.integer(blank)]);
  const classOf = classLookup(builder, classes, { length, blank });
  const states = classOf(0);
  const scores = scoresByStep(builder, log, states, steps);
  const forward = moves(builder, states, classOf(-2), { size: 2 * length + 1, direction: -1 });
  const backward = moves(builder, states, classOf(2), { size: 2 * length + 1, direction: 1 });

  const a = [emit.op("Add", [scores[0] as string, builder.vector(firstStates(2 * length + 1))])];
  for (const score of scores.slice(1)) a.push(emit.op("Add", [forward(a.at(-1) as string), score]));
  const b = [lastStates(builder, count, 2 * length + 1)];
  for (const score of scores.slice(1).reverse()) b.unshift(backward(emit.op("Add", [b[0] as string, score])));

  const ends = builder.logSumExp(emit.op("Add", [a.at(-1) as string, b.at(-1) as string]));
  const together = emit.op(
    "Add",
    [a, b].map((each) => emit.op("Concat", each, { axis: 0 })),
  );
  const share = emit.op("Softmax", [together], { axis: -1 });
  return {
    states,
    count,
    share: emit.op("Transpose", [share], { perm: [1, 0, 2] }),
    logLikelihood: emit.op("Reshape", [ends, builder.integers([-1])]),
  };
}

/** The classes of the states that are `shift` behind each, [samples, states]; blanks where there is none. */
function classLookup(
  builder: LossBuilder,
  labels: string,
  { length, blank }: Pick<SequenceLayout, "length" | "blank">,
): (shift: number) => string {
  const { emit } = builder;
  const padded = emit.op("Pad", [labels, builder.integers([0, 0, 0, 1]), builder.integer(blank)]);
  return (shift) => {
    const places = Array.from({ length: 2 * length + 1 }, (_, state) => {
      const label = (state + shift - 1) / 2;
      return Number.isInteger(label) && label >= 0 && label < length ? label : length;
    });
    return emit.op("Gather", [padded, builder.integers(places)], { axis: 1 });
  };
}

/** e_t of every step, each [1, samples, states]. */
function scoresByStep(builder: LossBuilder, log: string, states: string, steps: number): string[] {
  const { emit } = builder;
  const row = emit.op("Unsqueeze", [states, builder.integers([1])]);
  const index = emit.op("Expand", [row, builder.integers([1, steps, 1])]);
  const scores = emit.op("GatherElements", [log, index], { axis: 2 });
  const byStep = emit.op("Transpose", [scores], { perm: [1, 0, 2] });
  const ones = builder.integers(Array.from({ length: steps }, () => 1));
  return emit.node("Split", [byStep, ones], { attributes: { axis: 0 }, outputCount: steps });
}

/**
 * Values [1, samples, states] -> the logarithm of the sum over each state itself, its neighbour in a direction, and the state
 * next to that, whose classes are `others`, if that is another class.
 */
function moves(
  builder: LossBuilder,
  states: string,
  others: string,
  { size, direction }: { size: number; direction: 1 | -1 },
): (values: string) => string {
  const { emit } = builder;
  const reached = Array.from({ length: 3 * size }, (_, at) => Math.floor(at / 3) + direction * (at % 3));
  const inside = (state: number): boolean => state >= 0 && state < size;
  const border = reached.map((state) => (inside(state) ? 0 : impossible));
  const same = emit.op("Where", [
    emit.op("Equal", [states, others]),
    builder.number(impossible),
    builder.number(0),
  ]);
  const skips = emit.op("Mul", [
    emit.op("Unsqueeze", [same, builder.integers([2])]),
    builder.vector([0, 0, 1]),
  ]);
  const cost = emit.op("Add", [skips, builder.vector(border, [size, 3])]);
  const from = builder.integers(
    reached.map((state) => (inside(state) ? state : 0)),
    [size, 3],
  );
  return (values) =>
    builder.logSumExp(emit.op("Add", [emit.op("Gather", [values, from], { axis: 2 }), cost]));
}

const firstStates = (size: number): number[] =>
  Array.from({ length: size }, (_, state) => (state < 2 ? 0 : impossible));

/** 0 for the last label of a sample and the blank behind it, [1, samples, states]. */
function lastStates(builder: LossBuilder, count: string, size: number): string {
  const { emit } = builder;
  const last = emit.op("Mul", [emit.op("Unsqueeze", [count, builder.integers([0, 2])]), builder.number(2)]);
  const places = builder.vector(Array.from({ length: size }, (_, state) => state + 0.5));
  const gap = emit.op("Abs", [emit.op("Sub", [last, places])]);
  const near = emit.op("Less", [gap, builder.number(1)]);
  return emit.op("Where", [near, builder.number(0), builder.number(impossible)]);
}
