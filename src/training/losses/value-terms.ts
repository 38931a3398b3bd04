import { usageError } from "../../errors.ts";
import type { LossBuilder, LossOutput, LossTerm, TermPorts, TermValues } from "./ports.ts";

/** A term of every element: `of` the difference between the output and what is wanted. */
const elementwise =
  (of: (builder: LossBuilder, gap: string) => string): LossTerm["emit"] =>
  (builder, output, ports) => {
    const gap = builder.emit.op("Sub", [output.name, wantedOf(builder, output, ports)]);
    return masked(builder, of(builder, gap), output.shape.length, ports);
  };

const wantedOf = (builder: LossBuilder, output: LossOutput, { target }: TermPorts): string =>
  builder.target(output, target, { type: "float32", shape: output.shape });

const masked = (builder: LossBuilder, values: string, rank: number, { mask }: TermPorts): TermValues =>
  mask === undefined ? { values } : builder.masked(values, rank, mask);

/** d² */
const squared = elementwise(({ emit }, gap) => emit.op("Mul", [gap, gap]));

/** |d| */
const absolute = elementwise(({ emit }, gap) => emit.op("Abs", [gap]));

/** Huber's loss with its bend at 1: d²/2 up to |d| = 1, and |d| - 1/2 beyond, which is m (|d| - m/2) of m = min(|d|, 1). */
const smoothAbsolute = elementwise((builder, gap) => {
  const { emit } = builder;
  const size = emit.op("Abs", [gap]);
  const bent = emit.op("Min", [size, builder.number(1)]);
  const half = emit.op("Mul", [bent, builder.number(0.5)]);
  return emit.op("Mul", [bent, emit.op("Sub", [size, half])]);
});

/**
 * 1 - a·b / (|a| |b|) of the vectors along the last axis, or of the whole sample where the output is a map of four and more
 * dimensions. Vectors shorter than 1e-8 (of products) count as that long.
 */
const cosine: LossTerm["emit"] = (builder, output, ports) => {
  const { emit } = builder;
  const { length: rank } = output.shape;
  if (rank < 2)
    throw usageError(
      "loss",
      `A cosine is one of vectors, and output "${output.name}" has the shape [${output.shape.join(", ")}]`,
      output.name,
      "Use --loss mse.",
    );
  const flat = (value: string): string => (rank > 3 ? emit.op("Flatten", [value], { axis: 1 }) : value);
  const [a, b] = [flat(output.name), flat(wantedOf(builder, output, ports))];
  const product = (x: string, y: string): string => builder.sum(emit.op("Mul", [x, y]), -1);
  const lengths = emit.op("Mul", [product(a, a), product(b, b)]);
  const norm = emit.op("Sqrt", [emit.op("Max", [lengths, builder.number(1e-16)])]);
  const values = emit.op("Sub", [builder.number(1), emit.op("Div", [product(a, b), norm])]);
  return rank === 3 ? masked(builder, values, 2, ports) : { values };
};

/**
 * Binary cross-entropy with logits x and wanted probabilities t, -t log s(x) - (1-t) log(1-s(x)) = softplus(x) - x t. Of an
 * output behind a Sigmoid x is what that reads. With labels the output is [samples, 1] and t is 0 or 1.
 */
const binaryCrossEntropy: LossTerm["emit"] = (builder, output, ports) => {
  const { emit } = builder;
  const wanted = wantedProbability(builder, output, ports);
  const product = emit.op("Mul", [output.value, wanted]);
  const values = emit.op("Sub", [emit.op("Softplus", [output.value]), product]);
  return masked(builder, values, output.shape.length, ports);
};

function wantedProbability(builder: LossBuilder, output: LossOutput, ports: TermPorts): string {
  const { emit } = builder;
  if (ports.target === "labels") {
    if (output.shape.length === 2 && output.shape[1] === 1)
      return emit.op("Unsqueeze", [
        emit.op("Cast", [builder.labels(output)], { to: 1 }),
        builder.integers([1]),
      ]);
    throw usageError(
      "loss",
      `bce@labels needs an output of shape [samples, 1]; "${output.name}" has [${output.shape.join(", ")}]`,
      output.name,
      "Give 0 and 1 for every element as an array of the data: --loss bce@NAME.",
    );
  }
  const wanted = wantedOf(builder, output, ports);
  return ports.target !== undefined || output.activation === "Sigmoid"
    ? wanted
    : emit.op("Sigmoid", [wanted]);
}

export const valueTerms = {
  mse: { emit: squared, rounding: 0 },
  l1: { emit: absolute, rounding: 0 },
  "smooth-l1": { emit: smoothAbsolute, rounding: 0 },
  cosine: { emit: cosine, rounding: 2 ** -20 },
  bce: { emit: binaryCrossEntropy, rounding: 2 ** -20 },
} satisfies Record<string, LossTerm>;
