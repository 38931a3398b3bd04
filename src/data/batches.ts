import type { AugmentOptions, Batch, Dataset } from "./dataset.ts";

export interface BatchesOptions {
  /** Samples per batch; the last batch may hold fewer. */
  batch: number;
  /** Stop after this many samples. */
  limit?: number;
  /** Which samples, in which order. Default: all, in the order of the data. */
  indices?: ArrayLike<number>;
  /** Leave out a last batch that is not full. */
  dropLast?: boolean;
  /** Augmentation of the batch that starts at `position` in the order. */
  augment?: (position: number) => AugmentOptions;
}

/** Reads a data set batch by batch; the next batch is being read while the caller works on one. */
export async function* batches(dataset: Dataset, options: BatchesOptions): AsyncGenerator<Batch> {
  const { batch, indices } = options;
  const available = indices?.length ?? dataset.length;
  const wanted = Math.min(available, options.limit ?? available);
  const end = options.dropLast === true ? wanted - (wanted % batch) : wanted;
  const read = (start: number): Promise<Batch> | undefined => {
    if (start >= end) return undefined;
    const chosen = Uint32Array.from({ length: Math.min(batch, end - start) }, (_, offset) =>
      indices === undefined ? start + offset : (indices[start + offset] as number),
    );
    const augment = options.augment?.(start);
    const reading = dataset.read(chosen, augment === undefined ? {} : { augment });
    // The consumer may stop before it awaits this read; its failure then concerns nobody.
    reading.catch(() => undefined);
    return reading;
  };
  let pending = read(0);
  for (let start = batch; pending !== undefined; start += batch) {
    const current: Batch = await pending;
    pending = read(start);
    yield current;
  }
}
