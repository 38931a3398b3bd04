import { batches } from "../data/batches.ts";
import type { Dataset } from "../data/dataset.ts";
import { feedsOf } from "../data/feeds.ts";
import { isFloatOutput, type JudgedOutputs } from "../ir/judged-output.ts";
import type { OutputFacts } from "../ir/output-kinds.ts";
import type { Model } from "../ir/model.ts";
import type { Logger } from "../log.ts";
import { type ModelSource, withSession } from "../runtime/open-model.ts";
import type { RuntimeOptions } from "../runtime/session.ts";
import { layOutSamples, startOfPlace } from "../scoring/sample-layout.ts";
import { createTally, type Tally } from "../scoring/tally.ts";
import { indexOfLargest } from "../tensor/agreement.ts";
import { readNumbers } from "../tensor/read-numbers.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { referenceSession } from "./reference-model.ts";

/** How models are run to compare them. */
export interface RunOptions extends RuntimeOptions {
  /** Samples per run. */
  batch: number;
  /** Leave out a last batch that is not full (the models' batch size is fixed). */
  dropLast: boolean;
  /** Of the exported model: see `SessionOptions`. */
  exactKernels?: boolean | undefined;
  signal?: AbortSignal | undefined;
}

/** The three models that a verification runs. */
export interface ComparedModels {
  /** What was exported, in ONNX Runtime with all optimizations. */
  exported: ModelSource;
  /** The graph it was made of, in its training form. */
  reference: Model;
  /** The model without quantization, from which both are some way off. */
  float: ModelSource;
}

/** One output in the three models, sample by sample. */
export interface OutputComparison {
  facts: OutputFacts;
  /** The exported model and the reference against the float one; `apart`: the exported model against the reference. */
  exported: Tally;
  reference: Tally;
  apart: Tally;
  /** Places of the judged output at which a class is chosen. */
  places: number;
  /** By how much the reference prefers its class, at each place where the exported model has chosen another. */
  margins: number[];
}

/** Runs the exported model, the graph it was made of and the float model over the data and compares all outputs. */
export async function compareOutputs(
  { exported, reference, float }: ComparedModels,
  { judged, others }: JudgedOutputs,
  dataset: Dataset,
  options: RunOptions & { logger: Logger },
): Promise<OutputComparison[]> {
  const { batch: size, dropLast, provider, threads, exactKernels, signal, logger } = options;
  const compared = [judged, ...others.filter(isFloatOutput)].map(startComparison);
  const names = compared.map(({ facts }) => facts.name);
  let done = 0;
  await withSession(reference, { provider, threads, ...referenceSession }, (source) =>
    withSession(float, { provider, threads }, (original) =>
      withSession(exported, { provider, threads, exactKernels }, async (target) => {
        for await (const batch of batches(dataset, { batch: size, dropLast })) {
          signal?.throwIfAborted();
          const [made, plain, found] = await Promise.all(
            [source, original, target].map((session) =>
              session.run(feedsOf(session.inputs, batch, dataset.name), names),
            ),
          );
          for (const each of compared) {
            const labels = each.facts === judged ? batch.labels : undefined;
            const at = each.facts.name;
            const three = { made: made?.[at], plain: plain?.[at], found: found?.[at] } as ThreeOutputs;
            addBatch(each, three, batch.size, labels);
          }
          done += batch.size;
          logger.progress("comparing the exported model", done, dataset.length);
        }
      }),
    ),
  );
  return compared;
}

interface ThreeOutputs {
  made: Tensor;
  plain: Tensor;
  found: Tensor;
}

const startComparison = (facts: OutputFacts): OutputComparison => ({
  facts,
  places: 0,
  margins: [],
  exported: createTally(facts),
  reference: createTally(facts),
  apart: createTally(facts),
});

function addBatch(
  comparison: OutputComparison,
  { made, plain, found }: ThreeOutputs,
  size: number,
  labels: Int32Array | undefined,
): void {
  comparison.exported.add(found, size, labels, plain);
  comparison.reference.add(made, size, labels, plain);
  comparison.apart.add(found, size, undefined, made);
  const { facts } = comparison;
  const layout = layOutSamples(made.dims, size, facts);
  const [wanted, given] = [readNumbers(made), readNumbers(found)];
  for (let place = 0; place < layout.samples * layout.places; place++) {
    const sample = Math.floor(place / layout.places);
    const start = startOfPlace(layout, sample * layout.size, place % layout.places);
    const best = indexOfLargest(wanted, start, layout.classes, layout.stride);
    const other = indexOfLargest(given, start, layout.classes, layout.stride);
    const valueAt = (index: number): number => wanted[start + index * layout.stride] as number;
    if (other !== best) comparison.margins.push(valueAt(best) - valueAt(other));
  }
  comparison.places += layout.samples * layout.places;
}
