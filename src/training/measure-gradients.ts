import type { Batch } from "../data/dataset.ts";
import type { Model } from "../ir/model.ts";
import { openSession, withSession } from "../runtime/open-model.ts";
import type { Session, SessionOptions } from "../runtime/session.ts";
import { viewAs, type Tensor } from "../tensor/tensor.ts";
import type { TrainingStart } from "./artifact.ts";
import { holdTurned } from "./artifact/turned-weights.ts";
import { feedsFor } from "./state.ts";
import { isTaught, stepDataOf } from "./trainer/targets.ts";

/** Where the samples come from on which training graphs are tried out. */
export interface GradientSamples {
  /** The float model, which some losses compare with. */
  teacher: Model;
  /** Batches of the training graph's size. */
  batches: () => AsyncIterable<Batch>;
  session: SessionOptions;
}

/** Runs a training graph whose outputs are scalars from its start on some batches, and gives the mean of each output. */
export async function measureGradients(
  model: Model,
  start: TrainingStart,
  samples: GradientSamples,
): Promise<Map<string, number>> {
  const sums = new Map<string, number>();
  let count = 0;
  await withSession(model, sessionOf(start, samples), async (training) => {
    for await (const data of dataOf(start, samples)) {
      const found = await training.run(feedsFor(training, data, start.state));
      count++;
      for (const [name, value] of Object.entries(found))
        sums.set(name, (sums.get(name) ?? 0) + (viewAs(value, "float32")[0] as number));
    }
  });
  return new Map(Array.from(sums, ([name, sum]) => [name, sum / count]));
}

const timedRuns = 5;
/** Least cosine, in the median over all tensors, that gradients must have with the most exact ones. */
const leastAgreement = 0.9;

/**
 * Of training graphs that differ in their arithmetic the fastest one, by the shortest of a few runs of each on one batch,
 * as a training run has them; graphs whose gradients point elsewhere than those of the first are left out.
 */
export async function raceGraphs(
  models: readonly Model[],
  start: TrainingStart,
  samples: GradientSamples,
): Promise<number> {
  const options = sessionOf(start, samples);
  for await (const data of dataOf(start, samples)) {
    let best = { index: 0, time: Infinity };
    let exact: Record<string, Tensor> | undefined;
    for (const [index, model] of models.entries()) {
      const held = await holdTurned(model, start.state, options);
      const { gradients, time } = await withSession(held, options, (training) =>
        timed(training, data, start),
      );
      exact ??= gradients;
      if (time < best.time && medianCosine(exact, gradients) >= leastAgreement) best = { index, time };
    }
    return best.index;
  }
  return 0;
}

/** The gradients of one run, and the shortest time, in ms, of those that follow. */
async function timed(
  training: Session,
  data: Readonly<Record<string, Tensor>>,
  { state }: TrainingStart,
): Promise<{ gradients: Record<string, Tensor>; time: number }> {
  const feeds = feedsFor(training, data, state);
  const gradients = await training.run(feeds);
  let time = Infinity;
  for (let run = 0; run < timedRuns; run++) {
    const begin = performance.now();
    await training.run(feeds);
    time = Math.min(time, performance.now() - begin);
  }
  return { gradients, time };
}

/** The median over all tensors of more than one element of the cosine between two sets of gradients. */
function medianCosine(a: Record<string, Tensor>, b: Record<string, Tensor>): number {
  const cosines: number[] = [];
  for (const [name, tensor] of Object.entries(a)) {
    const [left, right] = [viewAs(tensor, "float32"), viewAs(b[name] as Tensor, "float32")];
    if (left.length < 2) continue;
    let [both, own, other] = [0, 0, 0];
    for (let i = 0; i < left.length; i++) {
      const [x, y] = [left[i] as number, right[i] as number];
      both += x * y;
      own += x * x;
      other += y * y;
    }
    if (own > 0) cosines.push(other > 0 ? both / Math.sqrt(own * other) : 0);
  }
  cosines.sort((x, y) => x - y);
  return cosines[cosines.length >> 1] ?? 1;
}

const sessionOf = ({ sessionConfig }: TrainingStart, { session }: GradientSamples): SessionOptions => ({
  ...session,
  memoryPattern: false,
  config: sessionConfig,
});

/** Inputs and targets of each batch. */
async function* dataOf(
  start: TrainingStart,
  { teacher, batches, session }: GradientSamples,
): AsyncGenerator<Record<string, Tensor>> {
  const judge = isTaught(start) ? await openSession(teacher, session) : undefined;
  try {
    for await (const batch of batches()) yield await stepDataOf(start, batch, judge);
  } finally {
    await judge?.release();
  }
}
