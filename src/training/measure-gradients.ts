import type { Batch } from "../data/dataset.ts";
import { InternalError, UserError } from "../errors.ts";
import type { Model } from "../ir/model.ts";
import { openSession, withSession, withSessions } from "../runtime/open-model.ts";
import type { SessionOptions } from "../runtime/session.ts";
import { viewAs, type Tensor } from "../tensor/tensor.ts";
import type { TrainingStart } from "./artifact.ts";
import type { Measured, Race } from "./artifact/forward-candidate.ts";
import { bakeBackwardWeights } from "./artifact/backward-weights.ts";
import { findClearWinner } from "./costs/find-clear-winner.ts";
import { feedsFor } from "./state.ts";
import { isTaught, stepDataOf } from "./sessions/targets.ts";

/** Where the samples come from on which training graphs are tried out. */
export interface GradientSamples {
  /** The float model, which some losses compare with. */
  teacher: Model;
  /** Batches of the training graph's size. */
  batches: () => AsyncIterable<Batch>;
  session: SessionOptions;
}

/** Runs a training graph from its start on some batches. */
export async function measureGradients(
  model: Model,
  start: TrainingStart,
  samples: GradientSamples,
): Promise<Measured> {
  const sums = new Map<string, number>();
  let first: Readonly<Record<string, Tensor>> | undefined;
  let count = 0;
  await withSession(model, sessionOf(start, samples), async (training) => {
    const scalars = training.outputs.filter(({ shape }) => shape.length === 0).map(({ name }) => name);
    for await (const data of dataOf(start, samples)) {
      const fetches = first === undefined ? undefined : scalars;
      const found = await training.run(feedsFor(training, data, start.state), fetches);
      first ??= found;
      count++;
      for (const name of scalars)
        sums.set(name, (sums.get(name) ?? 0) + (viewAs(found[name] as Tensor, "float32")[0] as number));
    }
  });
  return { means: new Map(Array.from(sums, ([name, sum]) => [name, sum / count])), first: first ?? {} };
}

/** Least cosine with the most exact gradients: in the median over all tensors, and of every weight's. */
const leastAgreement = { median: 0.9, weight: 0.5 };

/** Gradients that a training graph finds on the first batch; undefined where ONNX Runtime does not run it. */
export async function firstGradients(
  model: Model,
  start: TrainingStart,
  samples: GradientSamples,
): Promise<Readonly<Record<string, Tensor>> | undefined> {
  const options = sessionOf(start, samples);
  for await (const data of dataOf(start, samples)) {
    const baked = await bakeBackwardWeights(model, start.state, options);
    return withSession(baked, options, (training) =>
      training.run(feedsFor(training, data, start.state)),
    ).catch((error: unknown) => {
      if (error instanceof UserError || error instanceof InternalError) return undefined;
      throw error;
    });
  }
  return undefined;
}

/**
 * Of training graphs that differ in their arithmetic the likely one, or another that is clearly faster on one batch, as a
 * training run has them. Graphs whose gradients point elsewhere than those of the first are left out, and those that
 * ONNX Runtime does not run; where the likely one is, the first takes its place.
 */
export async function raceGraphs(
  { models, likely }: Race,
  start: TrainingStart,
  samples: GradientSamples,
  progress: (done: number, total: number) => void = () => undefined,
): Promise<number> {
  const options = sessionOf(start, samples);
  const baked = async (index: number): Promise<Model> =>
    bakeBackwardWeights(models[index] as Model, start.state, options);
  const fits = await agreeing(models, start, samples);
  const known = fits.has(likely) ? likely : 0;
  const others = [...fits].filter((index) => index !== known);
  for await (const data of dataOf(start, samples)) {
    let best = known;
    for (const [done, index] of others.entries()) {
      progress(done, others.length);
      const pair = [await baked(best), await baked(index)];
      const faster = await withSessions(pair, options, (sessions) =>
        findClearWinner(sessions.map((session) => () => session.time(feedsFor(session, data, start.state)))),
      );
      if (faster === 1) best = index;
    }
    progress(others.length, others.length);
    return best;
  }
  return known;
}

/** Indices of the graphs whose gradients agree with the first's, itself included. Throws where that does not run. */
async function agreeing(
  models: readonly Model[],
  start: TrainingStart,
  samples: GradientSamples,
): Promise<ReadonlySet<number>> {
  const [exact, ...others] = models as readonly [Model, ...Model[]];
  const { first: reference } = await measureGradients(exact, start, samples);
  const fits = new Set([0]);
  for (const [index, model] of others.entries()) {
    const found = await firstGradients(model, start, samples);
    if (found !== undefined && agree(reference, found)) fits.add(index + 1);
  }
  return fits;
}

/** Whether gradients point where the exact ones do. */
export function agree(
  exact: Readonly<Record<string, Tensor>>,
  found: Readonly<Record<string, Tensor>>,
): boolean {
  const cosines: number[] = [];
  let worst = 1;
  for (const [name, tensor] of Object.entries(exact)) {
    const other = found[name];
    const cosine = other && cosineOf(tensor, other);
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
  // Without an arena, which would keep what the float model takes while the training graph runs.
  const judge = isTaught(start) ? await openSession(teacher, { ...session, arena: false }) : undefined;
  try {
    for await (const batch of batches()) yield await stepDataOf(start, batch, judge);
  } finally {
    await judge?.release();
  }
}
