import { batches } from "../../data/batches.ts";
import type { Dataset } from "../../data/dataset.ts";
import { limitSamples } from "../../data/subset.ts";
import { createElementReader } from "../../tensor/elements.ts";
import { elementCount, type Tensor } from "../../tensor/tensor.ts";
import type { InputStatistics } from "./statistics.ts";

/** Samples that are enough to see in what range inputs lie. */
const samplesLooked = 128;

/** What the data feed a model with: shapes of one sample (or of one run that takes several), types, and extremes. */
export async function describeInputs(dataset: Dataset): Promise<InputStatistics[]> {
  const samples = limitSamples(dataset, samplesLooked);
  const found = new Map<string, InputStatistics>();
  for await (const { inputs } of batches(samples, { batch: dataset.samplesPerRun ?? 1, dropLast: true }))
    for (const [name, tensor] of Object.entries(inputs)) {
      const { min, max } = extremesOf(tensor);
      const known = found.get(name) ?? { name, dtype: tensor.dtype, dims: [...tensor.dims], min, max };
      found.set(name, { ...known, min: Math.min(known.min, min), max: Math.max(known.max, max) });
    }
  return [...found.values()];
}

/** Smallest and largest element; zeros where there are none, or none that is a number. */
function extremesOf(tensor: Tensor): { min: number; max: number } {
  if (tensor.dtype === "string" || elementCount(tensor.dims) === 0) return { min: 0, max: 0 };
  const read = createElementReader(tensor);
  let [min, max] = [Infinity, -Infinity];
  for (let i = 0; i < elementCount(tensor.dims); i++) {
    const value = read(i);
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return min > max ? { min: 0, max: 0 } : { min, max };
}
