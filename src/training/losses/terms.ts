import { usageError } from "../../errors.ts";
import type { LossBuilder, LossOutput } from "./ports.ts";

/** Emits a scalar that is to be minimised, for one output. */
type LossTerm = (builder: LossBuilder, output: LossOutput) => string;

/** -mean_n log softmax(logits)[n, label_n] */
const crossEntropy: LossTerm = (builder, output) => {
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
  const picked = builder.sumLast(emit.op("Mul", [logProbability, oneHot]));
  return builder.scalar(emit.op("Mul", [builder.mean(picked), builder.number(-1)]));
};

/** mean_n sum_c p_c (log p_c - log q_c), p the float model's probabilities, q the quantized model's; temperature 1. */
const kl: LossTerm = (builder, output) => {
  const { emit } = builder;
  const teacher = builder.teacher(output);
  const [probability, logProbability] = teacherProbabilities(builder, output, teacher);
  const student = emit.op("LogSoftmax", [output.value], { axis: -1 });
  const gap = emit.op("Sub", [logProbability, student]);
  return builder.mean(builder.sumLast(emit.op("Mul", [probability, gap])));
};

/** p and log p of the teacher, from logits, probabilities (kept above 1e-12) or log-probabilities. */
function teacherProbabilities(builder: LossBuilder, output: LossOutput, teacher: string): [string, string] {
  const { emit } = builder;
  if (output.activation === "Softmax") {
    return [teacher, emit.op("Log", [emit.op("Max", [teacher, builder.number(1e-12)])])];
  }
  if (output.activation === "LogSoftmax") return [emit.op("Exp", [teacher]), teacher];
  return [emit.op("Softmax", [teacher], { axis: -1 }), emit.op("LogSoftmax", [teacher], { axis: -1 })];
}

/** mean over all elements of (y - teacher)², on the output itself. */
const meanSquaredError: LossTerm = (builder, output) => {
  const { emit } = builder;
  const gap = emit.op("Sub", [output.name, builder.teacher(output)]);
  return builder.mean(emit.op("Mul", [gap, gap]));
};

/** Terms by name. To add one, add a row. */
export const lossTerms = {
  "cross-entropy": crossEntropy,
  kl,
  mse: meanSquaredError,
} satisfies Record<string, LossTerm>;

export type LossTermName = keyof typeof lossTerms;
