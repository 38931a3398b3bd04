import type { Batch, Dataset } from "../../data/dataset.ts";
import type { ModelInput } from "../../data/model-input.ts";
import { batchAxisOf } from "../../data/place-samples.ts";
import { mixSeed, randomStream } from "../../data/random.ts";
import { dataError } from "../../errors.ts";
import { namedValues } from "../../named-values.ts";
import type { DataType } from "../../tensor/data-type.ts";
import { elementCount, type Tensor, tensorOf } from "../../tensor/tensor.ts";
import type { InputStatistics, Statistics } from "./statistics.ts";

/** Samples that are made up where there are none. */
const length = 128;
/** Elements of one sample that are made up at most. */
const mostElements = 2 ** 28;

/**
 * Samples to run a model on where there are no data: random values in the ranges that the statistics have for its inputs, in
 * the shapes that were fed. They tell whether two graphs compute the same, and nothing of accuracy.
 * @throws UserError data/statistics-inputs for other inputs than the model's, and types without random values.
 */
export function randomSamples(
  { inputs: known, samplesPerRun }: Statistics,
  inputs: readonly ModelInput[],
  where: string,
): Dataset {
  const fed = inputs.map((input) => ({ input, statistics: findInput(known, input, where) }));
  return {
    name: "random samples in the ranges of the statistics",
    length: Math.max(length, samplesPerRun ?? 1),
    hasLabels: false,
    ...(samplesPerRun === undefined ? {} : { samplesPerRun }),
    describe: () => ({ format: "random samples", samples: length }),
    read: async (indices): Promise<Batch> => {
      const chosen = Array.from(indices);
      const made = namedValues<Tensor>();
      for (const { input, statistics } of fed)
        made[input.name] = makeInput(input, statistics, chosen, samplesPerRun);
      return { size: chosen.length, inputs: made };
    },
  };
}

function findInput(known: readonly InputStatistics[], input: ModelInput, where: string): InputStatistics {
  const found = known.find(({ name }) => name === input.name);
  const refuse = (what: string): never => {
    throw dataError(
      "statistics-inputs",
      `The statistics ${what} the model's input "${input.name}"`,
      where,
      "Run efqat calibrate again with this model, or give samples with --data.",
    );
  };
  if (found === undefined) return refuse("know nothing of");
  const { dtype, dims } = found;
  const fits = dims.length === input.shape.length;
  if (dtype !== input.dtype || !fits || elementCount(dims) > mostElements)
    return refuse(`have ${dtype} [${dims.join(", ")}] for`);
  return makers[input.dtype] === undefined ? refuse(`have no random ${input.dtype} values for`) : found;
}

function makeInput(
  input: ModelInput,
  { dims, min, max }: InputStatistics,
  indices: readonly number[],
  samplesPerRun: number | undefined,
): Tensor {
  const axis = samplesPerRun === undefined ? batchAxisOf(input) : undefined;
  const shape = axis === undefined ? [...dims] : dims.with(axis, indices.length * (dims[axis] ?? 1));
  const random = randomStream(mixSeed(indices[0] ?? 0, input.name.length));
  const values = Array.from({ length: elementCount(shape) }, () => min + (max - min) * random());
  return (makers[input.dtype] as Maker)(shape, values);
}

type Maker = (dims: readonly number[], values: readonly number[]) => Tensor;

const makers: Readonly<Partial<Record<DataType, Maker>>> = {
  float32: (dims, values) => tensorOf("float32", dims, Float32Array.from(values)),
  float64: (dims, values) => tensorOf("float64", dims, Float64Array.from(values)),
  int64: (dims, values) =>
    tensorOf(
      "int64",
      dims,
      BigInt64Array.from(values, (value) => BigInt(Math.round(value))),
    ),
  int32: (dims, values) => tensorOf("int32", dims, Int32Array.from(values, Math.round)),
  int8: (dims, values) => tensorOf("int8", dims, Int8Array.from(values, Math.round)),
  uint8: (dims, values) => tensorOf("uint8", dims, Uint8Array.from(values, Math.round)),
  bool: (dims, values) => tensorOf("bool", dims, Uint8Array.from(values, Math.round)),
};
