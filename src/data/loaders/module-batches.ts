import { namedValues } from "../../named-values.ts";
/** A batch as a data module gives it: typed arrays with their shapes, first dimension the samples. */
export interface ModuleBatch {
  inputs: Record<string, { data: ArrayBufferView; dims: readonly number[] }>;
  labels?: ArrayLike<number | bigint>;
}

/** What a data module may export as default, or return from its default function. */
export interface ModuleDataset {
  length: number;
  classes?: number;
  /** Bytes that are kept in memory, where that is known. */
  bytesInMemory?: number;
  /** 1 where samples differ in shape, so that no two of them can be one batch. */
  samplesPerRun?: number;
  read(indices: number[]): Promise<ModuleBatch> | ModuleBatch;
}

/** The typed arrays, as far as they are alike. */
type Elements = ArrayBufferView & {
  length: number;
  slice(start?: number, end?: number): Elements;
  subarray(start: number, end: number): Elements;
  set(from: Elements, at: number): void;
};

interface KeptBatch {
  /** Index of its first sample. */
  start: number;
  size: number;
  inputs: Map<string, { data: Elements; dims: readonly number[] }>;
  labels: readonly (number | bigint)[] | undefined;
}

/** How much of an iteration is kept; `alive` is called as it goes on. */
export interface IterationLimits {
  samples: number;
  bytes: number;
  alive: () => void;
}

/** What a batch takes besides its elements. */
const batchOverhead = 1024;

/**
 * Reads batches to their end, at most `limits.samples`, and keeps them in memory. Throws an Error on a malformed batch,
 * and where they take more than `limits.bytes`.
 */
export async function materializeBatches(
  source: AsyncIterable<ModuleBatch>,
  limits: IterationLimits,
): Promise<ModuleDataset> {
  const kept: KeptBatch[] = [];
  let length = 0;
  let bytes = 0;
  for await (const batch of source) {
    const copy = holdBatch(batch, length);
    kept.push(copy);
    length += copy.size;
    bytes += batchOverhead + sizeOf(copy);
    if (bytes > limits.bytes) {
      throw new Error(
        `its batches take more than the ${(limits.bytes / 1e6).toFixed(0)} MB that are kept in memory, after ${length} samples; does it ever end? For more data than that, export {length, read(indices)}`,
      );
    }
    if (length >= limits.samples) break;
    limits.alive();
  }
  return {
    length: Math.min(length, limits.samples),
    bytesInMemory: bytes,
    ...(haveOneShape(kept) ? {} : { samplesPerRun: 1 }),
    read: (indices) => stack(kept, indices),
  };
}

/** Whether samples of all batches have the same shapes. */
const haveOneShape = (kept: readonly KeptBatch[]): boolean =>
  new Set(kept.map(({ inputs }) => JSON.stringify([...inputs].map(([, { dims }]) => dims.slice(1))))).size <
  2;

const sizeOf = ({ inputs, labels = [] }: KeptBatch): number =>
  [...inputs.values()].reduce((sum, { data }) => sum + data.byteLength, 8 * labels.length);

/** A copy, since iterations may fill the same arrays again. */
function holdBatch(batch: ModuleBatch, start: number): KeptBatch {
  const entries = Object.entries(batch?.inputs ?? {});
  const sizes = entries.map(([, input]) => samplesOf(input));
  const [size] = sizes;
  if (size === undefined || sizes.some((other) => other !== size)) {
    throw new Error(
      "a batch must be {inputs: {name: {data, dims}}, labels?}, first dimension the samples, data a typed array of as many elements as dims say",
    );
  }
  const inputs = entries.map(
    ([name, { data, dims }]) => [name, { data: (data as Elements).slice(), dims: [...dims] }] as const,
  );
  const labels = batch.labels === undefined ? undefined : Array.from(batch.labels);
  if (labels !== undefined && labels.length !== size)
    throw new Error(`a batch of ${size} samples has ${labels.length} labels`);
  return { start, size, inputs: new Map(inputs), labels };
}

function samplesOf(input: Partial<ModuleBatch["inputs"][string]> | undefined): number | undefined {
  const { data, dims } = input ?? {};
  if (!ArrayBuffer.isView(data) || !Array.isArray(dims)) return undefined;
  const whole = (dims as unknown[]).every((dim) => Number.isSafeInteger(dim) && (dim as number) >= 0);
  const count = (dims as number[]).reduce((product, dim) => product * dim, 1);
  return whole && count === (data as Elements).length ? (dims as number[])[0] : undefined;
}

function stack(kept: readonly KeptBatch[], indices: readonly number[]): ModuleBatch {
  const found = indices.map((index) => {
    const batch = kept[findBatch(kept, index)] as KeptBatch;
    return { batch, at: index - batch.start };
  });
  const inputs = namedValues<ModuleBatch["inputs"][string]>();
  for (const [name, { data, dims }] of found[0]?.batch.inputs ?? []) {
    const size = dims.slice(1).reduce((product, dim) => product * dim, 1);
    const stacked = new (data.constructor as new (length: number) => Elements)(found.length * size);
    found.forEach(({ batch, at }, row) => {
      const from = batch.inputs.get(name)?.data.subarray(at * size, (at + 1) * size);
      if (from?.length !== size) throw new Error(`its batches differ in the shape of "${name}"`);
      stacked.set(from, row * size);
    });
    inputs[name] = { data: stacked, dims: [found.length, ...dims.slice(1)] };
  }
  const labels = found.map(({ batch, at }) => batch.labels?.[at]);
  return labels.includes(undefined) ? { inputs } : { inputs, labels: labels as number[] };
}

/** The last batch that starts at or before a sample. */
function findBatch(kept: readonly KeptBatch[], index: number): number {
  let low = 0;
  for (let high = kept.length - 1; low < high;) {
    const middle = (low + high + 1) >> 1;
    if ((kept[middle] as KeptBatch).start <= index) low = middle;
    else high = middle - 1;
  }
  return low;
}
