import { InternalError } from "../../errors.ts";
import { alignLabels, impossible } from "./align-labels.ts";
import type { SequenceLayout } from "./label-sequences.ts";
import type { LossBuilder, LossOutput, LossTerm } from "./ports.ts";

/**
 * -log P(labels) of each sample over its number of labels (at least 1), where P is the sum over all ways to write the labels
 * into the steps: each at one step or several in a row, blanks between them as one likes, and one between equal labels
 * (Graves et al., 2006). Samples whose labels do not fit into the steps do not count.
 *
 * Backward   d(-log P) / d log y[t, c] = -G[t, c], the share of the ways (by their probability) that have class c at step t.
 *
 * G comes out of the forward and the backward recursion over constants, and the loss is written as -log P - sum G (log y -
 * constant log y), whose second part is zero but for its gradient. So nothing is differentiated step by step.
 */
const ctc: LossTerm["emit"] = (builder, output, { target, mask, sequence }) => {
  if (target === undefined || sequence?.steps === undefined)
    throw new InternalError(`a ctc term of "${output.name}" without sequences`);
  const { emit } = builder;
  const { steps, classes, samplesAxis } = sequence;
  const log = logProbabilities(builder, output, sequence, mask);
  const known = builder.detached(log);
  const labels = builder.labelSequences(output.shape[samplesAxis], target, { ...sequence, steps });
  const { states, share, logLikelihood, count } = alignLabels(builder, known, labels, { ...sequence, steps });
  const codes = emit.op("OneHot", [states, builder.integer(classes), builder.vector([0, 1])], { axis: -1 });
  const gradient = emit.op("MatMul", [share, codes]);
  const moved = emit.op("Mul", [gradient, emit.op("Sub", [log, known])]);
  const zero = emit.op("ReduceSum", [moved, builder.integers([1, 2])], { keepdims: 0 });
  const total = emit.op("Mul", [emit.op("Add", [logLikelihood, zero]), builder.number(-1)]);
  const values = emit.op("Div", [total, emit.op("Max", [count, builder.number(1)])]);
  const fits = emit.op("Greater", [logLikelihood, builder.number(impossible / 2)]);
  return { values, weights: emit.op("Cast", [fits], { to: 1 }) };
};

/** Log-probabilities [samples, steps, classes]; where a step is padding, it is a blank for certain. */
function logProbabilities(
  builder: LossBuilder,
  output: LossOutput,
  { samplesAxis, classes, blank }: SequenceLayout,
  mask: string | undefined,
): string {
  const { emit } = builder;
  const own = emit.op("LogSoftmax", [output.value], { axis: -1 });
  const log = samplesAxis === 0 ? own : emit.op("Transpose", [own], { perm: [1, 0, 2] });
  if (mask === undefined) return log;
  const counts = emit.op("Unsqueeze", [emit.op("Cast", [mask], { to: 9 }), builder.integers([2])]);
  const certain = Array.from({ length: classes }, (_, index) => (index === blank ? 0 : impossible));
  return emit.op("Where", [counts, log, builder.vector(certain)]);
}

export const sequenceTerms = {
  ctc: { emit: ctc, rounding: 2 ** -20, bySample: true },
} satisfies Record<string, LossTerm>;
