import { usageError } from "../../errors.ts";
import type { LossBuilder, LossOutput } from "./ports.ts";

/** What is to be minimised on one output: the mean of the values that `emit` gives, [samples, ...]. */
interface LossTerm {
  emit: (builder: LossBuilder, output: LossOutput) => string;
  /** Differences of means that rounding in float32 explains, beside the relative one. */
  rounding: number;
}

/** -mean_n log softmax(logits)[n, label_n] */
const crossEntropy: LossTerm["emit"] = (builder, output) => {
  const { emit } = builder;
  const classes = output.shape.at(-1);
  if (output.shape.length !== 2 || typeof classes !== "number") {
    throw usageError(
      "loss",
      `Cross-entropy needs an output of shape [samples, classes] with a known number of classes; it has [${output.shape.join(", ")}]`,
      output.name,
      "Use --loss mse or --loss kl, which compare with the float model's own output.",
    );
  }
  const labels = builder.labels(output);
  const oneHot = emit.op("OneHot", [labels, builder.integer(classes), builder.vector([0, 1])], { axis: -1 });
  const logProbability = emit.op("LogSoftmax", [output.value], { axis: -1 });
  const picked = builder.sum(emit.op("Mul", [logProbability, oneHot]), -1);
  return emit.op("Mul", [picked, builder.number(-1)]);
};

/**
 * mean_n sum_c p_c (log p_c - log q_c), p the float model's probabilities, q the quantized model's; temperature 1. Classes
 * lie along the last axis, unless the output is known to have them elsewhere.
 */
const kl: LossTerm["emit"] = (builder, output) => {
  const { emit } = builder;
  const teacher = builder.teacher(output);
  const [probability, logProbability] = teacherProbabilities(builder, output, teacher);
  const axis = classAxis(output);
  const student = emit.op("LogSoftmax", [output.value], { axis });
  const gap = emit.op("Sub", [logProbability, student]);
  return builder.sum(emit.op("Mul", [probability, gap]), axis);
};

const classAxis = ({ classAxis: axis, shape }: LossOutput): number =>
  axis === undefined || axis === shape.length - 1 ? -1 : axis;

/** p and log p of the teacher, from logits, probabilities (kept above 1e-12) or log-probabilities. */
function teacherProbabilities(builder: LossBuilder, output: LossOutput, teacher: string): [string, string] {
  const { emit } = builder;
  if (output.activation === "Softmax") {
    return [teacher, emit.op("Log", [emit.op("Max", [teacher, builder.number(1e-12)])])];
  }
  if (output.activation === "LogSoftmax") return [emit.op("Exp", [teacher]), teacher];
  const axis = classAxis(output);
  return [emit.op("Softmax", [teacher], { axis }), emit.op("LogSoftmax", [teacher], { axis })];
}

/** mean over all elements of (y - teacher)², on the output itself. */
const meanSquaredError: LossTerm["emit"] = (builder, output) => {
  const { emit } = builder;
  const gap = emit.op("Sub", [output.name, builder.teacher(output)]);
  return emit.op("Mul", [gap, gap]);
};

/** Logarithms of probabilities are of the order of one: their sums are right to some 2^-20. */
const logarithms = 2 ** -20;

/** Terms by name. To add one, add a row. */
export const lossTerms = {
  "cross-entropy": { emit: crossEntropy, rounding: logarithms },
  kl: { emit: kl, rounding: logarithms },
  mse: { emit: meanSquaredError, rounding: 0 },
} satisfies Record<string, LossTerm>;

export type LossTermName = keyof typeof lossTerms;
