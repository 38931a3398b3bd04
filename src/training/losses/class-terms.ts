import { usageError } from "../../errors.ts";
import type { LossBuilder, LossOutput, LossTerm, TermPorts, TermValues } from "./ports.ts";

/** The axis of classes: as it is known, or the last of vectors and sequences and the second of maps. */
export const classAxisOf = ({ classAxis: axis, shape }: LossOutput): number =>
  axis ?? (shape.length > 3 ? 1 : shape.length - 1);

/** The same for operators: -1 for the last. */
const lastOr = (output: LossOutput): number => {
  const axis = classAxisOf(output);
  return axis === output.shape.length - 1 ? -1 : axis;
};

/**
 * -log softmax(logits)[target] at every place: of each sample, position or pixel. Targets below zero (-1, -100) mark
 * places that do not count, and so does the mask.
 */
const crossEntropy: LossTerm["emit"] = (builder, output, { target = "labels", mask }) => {
  const { emit } = builder;
  if (target === "labels") return { values: labelledEntropy(builder, output) };
  const axis = classAxisOf(output);
  const places = output.shape.filter((_, each) => each !== axis);
  const indices = builder.target(output, target, { type: "int64", shape: places });
  const logProbability = emit.op("LogSoftmax", [output.value], { axis: lastOr(output) });
  const index = emit.op("Max", [indices, builder.integer(0)]);
  const column = emit.op("Unsqueeze", [index, builder.integers([axis])]);
  const picked = emit.op("GatherElements", [logProbability, column], { axis });
  const values = emit.op("Mul", [emit.op("Squeeze", [picked, builder.integers([axis])]), builder.number(-1)]);
  const counts = emit.op("Cast", [emit.op("Greater", [indices, builder.integer(-1)])], { to: 1 });
  if (mask === undefined) return { values, weights: counts };
  const masked = builder.masked(values, places.length, mask);
  const seen = builder.masked(counts, places.length, mask);
  return { values: masked.values, weights: emit.op("Mul", [seen.values, masked.weights]) };
};

/** -log softmax(logits)[n, label_n] */
function labelledEntropy(builder: LossBuilder, output: LossOutput): string {
  const { emit } = builder;
  const classes = output.shape.at(-1);
  if (output.shape.length !== 2 || typeof classes !== "number") {
    throw usageError(
      "loss",
      `Cross-entropy with labels needs an output of shape [samples, classes] with a known number of classes; it has [${output.shape.join(", ")}]`,
      output.name,
      "Give class indices for every place as an array of the data (--loss cross-entropy@NAME), or use --loss mse or --loss kl, which compare with the float model's own output.",
    );
  }
  const labels = builder.labels(output);
  const oneHot = emit.op("OneHot", [labels, builder.integer(classes), builder.vector([0, 1])], { axis: -1 });
  const logProbability = emit.op("LogSoftmax", [output.value], { axis: -1 });
  const picked = builder.sum(emit.op("Mul", [logProbability, oneHot]), -1);
  return emit.op("Mul", [picked, builder.number(-1)]);
}

/**
 * sum_c p_c (log p_c - log q_c) at every place, p the float model's probabilities or those of the data, q the quantized
 * model's; temperature 1.
 */
const kl: LossTerm["emit"] = (builder, output, ports) => {
  const { emit } = builder;
  const axis = lastOr(output);
  const [probability, logProbability] = wantedProbabilities(builder, output, ports);
  const student = emit.op("LogSoftmax", [output.value], { axis });
  const gap = emit.op("Sub", [logProbability, student]);
  const values = builder.sum(emit.op("Mul", [probability, gap]), axis);
  return masked(builder, values, output.shape.length - 1, ports);
};

/** p and log p of what is wanted, from logits, probabilities (kept above 1e-12) or log-probabilities. */
function wantedProbabilities(
  builder: LossBuilder,
  output: LossOutput,
  { target }: TermPorts,
): [string, string] {
  const { emit } = builder;
  const wanted = builder.target(output, target, { type: "float32", shape: output.shape });
  if (target !== undefined || output.activation === "Softmax") {
    return [wanted, emit.op("Log", [emit.op("Max", [wanted, builder.number(1e-12)])])];
  }
  if (output.activation === "LogSoftmax") return [emit.op("Exp", [wanted]), wanted];
  const axis = lastOr(output);
  return [emit.op("Softmax", [wanted], { axis }), emit.op("LogSoftmax", [wanted], { axis })];
}

const masked = (builder: LossBuilder, values: string, rank: number, { mask }: TermPorts): TermValues =>
  mask === undefined ? { values } : builder.masked(values, rank, mask);

/** Logarithms of probabilities are of the order of one: their sums are right to some 2^-20. */
const logarithms = 2 ** -20;

export const classTerms = {
  "cross-entropy": { emit: crossEntropy, rounding: logarithms, overClasses: true },
  kl: { emit: kl, rounding: logarithms, overClasses: true },
} satisfies Record<string, LossTerm>;
