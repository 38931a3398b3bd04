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
/** Least cosine with the most exact gradients: in the median over all tensors, and of every weight's. */
const leastAgreement = { median: 0.9, weight: 0.5 };

/**
 * Of training graphs that differ in their arithmetic the fastest one, by the shortest of a few runs of each on one batch,
 * as a training run has them; graphs whose gradients point elsewhere than those of the first are left out, and those that
 * ONNX Runtime does not run.
 */
export async function raceGraphs(
  models: readonly Model[],
  start: TrainingStart,
  samples: GradientSamples,
): Promise<number> {
  const options = sessionOf(start, samples);
  const run = async (model: Model, data: Readonly<Record<string, Tensor>>): Promise<Timed> =>
    withSession(await holdTurned(model, start.state, options), options, (training) =>
      timed(training, data, start),
    );
  for await (const data of dataOf(start, samples)) {
    const [exact, ...others] = models as readonly [Model, ...Model[]];
    const reference = await run(exact, data);
    let best = { index: 0, time: reference.time };
    for (const [index, model] of others.entries()) {
      const found = await run(model, data).catch(() => undefined);
      if (found !== undefined && found.time < best.time && agree(reference.gradients, found.gradients))
        best = { index: index + 1, time: found.time };
    }
    return best.index;
  }
  return 0;
}

interface Timed {
  gradients: Record<string, Tensor>;
  time: number;
}

/** The gradients of one run, and the shortest time, in ms, of those that follow. */
async function timed(
  training: Session,
  data: Readonly<Record<string, Tensor>>,
  { state }: TrainingStart,
): Promise<Timed> {
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

/** Whether gradients point where the exact ones do. */
function agree(exact: Record<string, Tensor>, found: Record<string, Tensor>): boolean {
  const cosines: number[] = [];
  let worst = 1;
  for (const [name, tensor] of Object.entries(exact)) {
    const cosine = cosineOf(tensor, found[name] as Tensor);
    if (cosine === undefined) continue;
    cosines.push(cosine);
    if (tensor.dims.length > 1) worst = Math.min(worst, cosine);
  }
  cosines.sort((x, y) => x - y);
  const median = cosines[cosines.length >> 1] ?? 1;
  return median >= leastAgreement.median && worst >= leastAgreement.weight;
}

/** Undefined for tensors of one element, and where the exact one is zero. */
function cosineOf(exact: Tensor, found: Tensor): number | undefined {
  const [left, right] = [viewAs(exact, "float32"), viewAs(found, "float32")];
  let [both, own, other] = [0, 0, 0];
  for (let i = 0; i < left.length; i++) {
    const [x, y] = [left[i] as number, right[i] as number];
    both += x * y;
    own += x * x;
    other += y * y;
  }
  if (left.length < 2 || own === 0) return undefined;
  return other > 0 ? both / Math.sqrt(own * other) : 0;
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
