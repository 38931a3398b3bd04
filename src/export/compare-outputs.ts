import { batches } from "../data/batches.ts";
import type { Dataset } from "../data/dataset.ts";
import { feedsOf } from "../data/feeds.ts";
import type { Model } from "../ir/model.ts";
import type { Logger } from "../log.ts";
import { type ModelSource, withSession } from "../runtime/open-model.ts";
import type { RuntimeOptions } from "../runtime/session.ts";
import { addNoise, decibelsOf, indexOfLargest, type NoiseSums } from "../tensor/agreement.ts";
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

/** Runs the deployed model (all optimizations) and the reference (float) over the data and compares float outputs. */
export async function compareOutputs(
  deployed: ModelSource,
  reference: Model,
  dataset: Dataset,
  options: RunOptions & { logger: Logger },
): Promise<OutputComparison> {
  const { batch: size, dropLast, provider, threads, signal, logger } = options;
  const sums = new Map<string, NoiseSums>();
  const classes = { equal: 0, total: 0 };
  let samples = 0;
  await withSession(reference, { provider, threads, ...referenceSession }, (source) =>
    withSession(deployed, { provider, threads }, async (target) => {
      for await (const batch of batches(dataset, { batch: size, dropLast })) {
        signal?.throwIfAborted();
        const expected = await source.run(feedsOf(source.inputs, batch, dataset.name));
        const computed = await target.run(feedsOf(target.inputs, batch, dataset.name));
        const names = Object.keys(expected).filter((name) => expected[name]?.dtype === "float32");
        for (const name of names) {
          const sum = sums.get(name) ?? { signal: 0, noise: 0 };
          sums.set(name, sum);
          addNoise(
            sum,
            viewAs(expected[name] as Tensor, "float32"),
            viewAs(computed[name] as Tensor, "float32"),
          );
        }
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

/** Equal outputs have infinite SQNR; it is reported as 200 dB, more than float32 can show. */
function decibels(sums: NoiseSums): number {
  if (sums.noise === 0) return 200;
  return sums.signal === 0 ? -200 : Math.min(200, decibelsOf(sums));
}

function isRanking({ dims }: Tensor): boolean {
  return dims.length === 2 && (dims[1] as number) > 1;
}

function addAgreement(classes: { equal: number; total: number }, expected: Tensor, computed: Tensor): void {
  const width = expected.dims[1] as number;
  const [a, b] = [viewAs(expected, "float32"), viewAs(computed, "float32")];
  for (let start = 0; start < a.length; start += width) {
    classes.total++;
    if (indexOfLargest(a, start, width) === indexOfLargest(b, start, width)) classes.equal++;
  }
}
