import { dataError } from "../errors.ts";
import { namedValues } from "../named-values.ts";
import { byteLength, type DataType } from "../tensor/data-type.ts";
import { elementCount, floats, type Tensor, tensorOf, tensorOfBytes } from "../tensor/tensor.ts";
import type { Dataset } from "./dataset.ts";
import type { ModelInput } from "./model-input.ts";
import { batchAxisOf } from "./place-samples.ts";
import { mixSeed, randomStream } from "./random.ts";

/**
 * Samples of a model's inputs for measuring time, where there are no data: floats uniform in [0, 1), ones for integers and
 * truth values. `sizes`: of open dimensions other than the batch, by symbol. Deterministic.
 */
export function makeUpDataset(inputs: readonly ModelInput[], sizes: ReadonlyMap<string, number>): Dataset {
  return {
    name: "made-up inputs",
    length: 1,
    hasLabels: false,
    read: async (indices) => {
      const feeds = namedValues<Tensor>();
      for (const [slot, input] of inputs.entries())
        feeds[input.name] = makeUp(input, dimsOf(input, indices.length, sizes), mixSeed(1, slot));
      return { size: indices.length, inputs: feeds };
    },
    describe: () => ({ name: "made-up inputs" }),
  };
}

function dimsOf(input: ModelInput, samples: number, sizes: ReadonlyMap<string, number>): number[] {
  const axis = batchAxisOf(input);
  return input.shape.map((dim, at) =>
    typeof dim === "number" ? dim : at === axis ? samples : (sizes.get(dim ?? "") ?? 1),
  );
}

function makeUp({ name, dtype }: ModelInput, dims: number[], seed: number): Tensor {
  const count = elementCount(dims);
  const random = randomStream(seed);
  switch (dtype) {
    case "float32":
      return floats(Float32Array.from({ length: count }, random), dims);
    case "float64":
      return tensorOf("float64", dims, Float64Array.from({ length: count }, random));
    case "float16":
      return tensorOf("float16", dims, new Uint16Array(count).fill(halfAsFloat16));
    case "string":
      throw dataError("made-up", `Input "${name}" takes text, which cannot be made up`, name, "Give --data.");
    default:
      return ones(dtype, dims);
  }
}

/** The bits of 0.5. */
const halfAsFloat16 = 0x3800;

/** Ones of any integer type, or truth: little-endian, the first byte of each element. */
function ones(dtype: DataType, dims: number[]): Tensor {
  const bytes = new Uint8Array(byteLength(dtype, elementCount(dims)));
  const size = bytes.byteLength / Math.max(1, elementCount(dims));
  for (let at = 0; at < bytes.byteLength; at += size) bytes[at] = 1;
  return tensorOfBytes(dtype, dims, bytes);
}
