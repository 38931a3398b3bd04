import { dataError } from "../../errors.ts";

/** A batch as a data module gives it: typed arrays with their shapes, first dimension the samples. */
export interface ModuleBatch {
  inputs: Record<string, { data: ArrayBufferView; dims: readonly number[] }>;
  labels?: ArrayLike<number | bigint>;
}

type Sliceable = ArrayBufferView & {
  length: number;
  slice(start: number, end: number): Sliceable;
  set(from: Sliceable, at: number): void;
};

interface Sample {
  inputs: Record<string, { data: Sliceable; dims: readonly number[] }>;
  label: number | undefined;
}

/** Takes batches apart into samples held in memory, at most `limit`, readable in any order. */
export async function materializeBatches(
  source: AsyncIterable<ModuleBatch>,
  path: string,
  limit = Infinity,
): Promise<{ length: number; read(indices: number[]): ModuleBatch }> {
  const samples: Sample[] = [];
  for await (const batch of source) {
    for (const sample of takeApart(batch, path)) if (samples.length < limit) samples.push(sample);
    if (samples.length >= limit) break;
  }
  return {
    length: samples.length,
    read: (indices) => stack(indices.map((index) => samples[index] as Sample)),
  };
}

function takeApart(batch: ModuleBatch, path: string): Sample[] {
  const entries = Object.entries(batch?.inputs ?? {});
  const sizes = entries.map(([, { data, dims }]: [string, Partial<ModuleBatch["inputs"][string]>]) =>
    ArrayBuffer.isView(data) ? dims?.[0] : undefined,
  );
  const [count] = sizes;
  if (count === undefined || sizes.some((size) => size !== count)) {
    throw dataError(
      "module",
      "A batch of the data module must be {inputs: {name: {data, dims}}, labels?}, first dimension the samples",
      path,
    );
  }
  return Array.from({ length: count }, (_, index) => ({
    inputs: Object.fromEntries(entries.map(([name, input]) => [name, sliceSample(input, index, count)])),
    label: batch.labels === undefined ? undefined : Number(batch.labels[index]),
  }));
}

function sliceSample(
  { data, dims }: { data: ArrayBufferView; dims: readonly number[] },
  index: number,
  count: number,
): { data: Sliceable; dims: readonly number[] } {
  const array = data as Sliceable;
  const size = array.length / count;
  return { data: array.slice(index * size, (index + 1) * size), dims: dims.slice(1) };
}

function stack(samples: Sample[]): ModuleBatch {
  const inputs: ModuleBatch["inputs"] = {};
  for (const [name, { data, dims }] of Object.entries(samples[0]?.inputs ?? {})) {
    const TypedArray = data.constructor as new (length: number) => Sliceable;
    const stacked = new TypedArray(samples.length * data.length);
    samples.forEach((sample, index) =>
      stacked.set((sample.inputs[name] as { data: Sliceable }).data, index * data.length),
    );
    inputs[name] = { data: stacked, dims: [samples.length, ...dims] };
  }
  const labels = samples.map(({ label }) => label);
  return labels.includes(undefined) ? { inputs } : { inputs, labels: labels as number[] };
}
