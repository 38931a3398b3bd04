import { batches } from "../data/batches.ts";
import type { Dataset } from "../data/dataset.ts";
import { feedsOf } from "../data/feeds.ts";
import type { Model } from "../ir/model.ts";
import type { Logger } from "../log.ts";
import { type ModelSource, withSession } from "../runtime/open-model.ts";
import type { RuntimeOptions } from "../runtime/session.ts";
import { type Tensor, viewAs } from "../tensor/tensor.ts";
import { referenceSession } from "./reference-model.ts";

/** How models are run to compare them. */
export interface RunOptions extends RuntimeOptions {
  /** Samples per run. */
  batch: number;
  /** Leave out a last batch that is not full (the models' batch size is fixed). */
  dropLast: boolean;
  signal?: AbortSignal | undefined;
}

export interface OutputComparison {
  /** Samples compared. */
  samples: number;
  /** Signal to quantization noise between deployed and reference, dB, over all elements; the worst output's. */
  sqnr: number;
  /** Share of samples with the same largest class in the first [N, classes] output, where there is one. */
  agreement?: number;
}

interface Sums {
  signal: number;
  noise: number;
}

/** Runs the deployed model (all optimizations) and the reference (float) over the data and compares float outputs. */
export async function compareOutputs(
  deployed: ModelSource,
  reference: Model,
  dataset: Dataset,
  options: RunOptions & { logger: Logger },
): Promise<OutputComparison> {
  const { batch: size, dropLast, provider, threads, signal, logger } = options;
  const sums = new Map<string, Sums>();
  const classes = { equal: 0, total: 0 };
  let samples = 0;
  await withSession(reference, { provider, threads, ...referenceSession }, (source) =>
    withSession(deployed, { provider, threads }, async (target) => {
      for await (const batch of batches(dataset, { batch: size, dropLast })) {
        signal?.throwIfAborted();
        const expected = await source.run(feedsOf(source.inputs, batch, dataset.name));
        const computed = await target.run(feedsOf(target.inputs, batch, dataset.name));
        const names = Object.keys(expected).filter((name) => expected[name]?.dtype === "float32");
        for (const name of names) addNoise(sums, name, expected[name] as Tensor, computed[name] as Tensor);
        const ranked = names.find((name) => isRanking(expected[name] as Tensor));
        if (ranked !== undefined)
          addAgreement(classes, expected[ranked] as Tensor, computed[ranked] as Tensor);
        samples += batch.size;
        logger.progress("comparing the exported model", samples, dataset.length);
      }
    }),
  );
  const sqnr = Math.min(...Array.from(sums.values(), decibels));
  return { samples, sqnr, ...(classes.total === 0 ? {} : { agreement: classes.equal / classes.total }) };
}

function addNoise(sums: Map<string, Sums>, name: string, expected: Tensor, computed: Tensor): void {
  const sum = sums.get(name) ?? { signal: 0, noise: 0 };
  const [a, b] = [viewAs(expected, "float32"), viewAs(computed, "float32")];
  for (let i = 0; i < a.length; i++) {
    const value = a[i] as number;
    sum.signal += value * value;
    sum.noise += (value - (b[i] as number)) ** 2;
  }
  sums.set(name, sum);
}

/** Equal outputs have infinite SQNR; it is reported as 200 dB, more than float32 can show. */
function decibels({ signal, noise }: Sums): number {
  if (noise === 0) return 200;
  return signal === 0 ? -200 : Math.min(200, 10 * Math.log10(signal / noise));
}

function isRanking({ dims }: Tensor): boolean {
  return dims.length === 2 && (dims[1] as number) > 1;
}

function addAgreement(classes: { equal: number; total: number }, expected: Tensor, computed: Tensor): void {
  const width = expected.dims[1] as number;
  const [a, b] = [viewAs(expected, "float32"), viewAs(computed, "float32")];
  for (let start = 0; start < a.length; start += width) {
    classes.total++;
    if (largest(a, start, width) === largest(b, start, width)) classes.equal++;
  }
}

function largest(values: Float32Array, start: number, width: number): number {
  let best = start;
  for (let i = start + 1; i < start + width; i++)
    if ((values[i] as number) > (values[best] as number)) best = i;
  return best - start;
}
