import type { Batch } from "../data/dataset.ts";
import type { Model } from "../ir/model.ts";
import { openSession, withSession } from "../runtime/open-model.ts";
import type { Session, SessionOptions } from "../runtime/session.ts";
import { viewAs, type Tensor } from "../tensor/tensor.ts";
import type { TrainingStart } from "./artifact.ts";
import { holdTurned } from "./artifact/turned-weights.ts";
import { targetsOf } from "./trainer/targets.ts";

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
  await withSession(model, sessionOf(samples), async (training) => {
    for await (const data of dataOf(start, samples)) {
      const found = await training.run(feedsOf(training, start, data));
      count++;
      for (const [name, value] of Object.entries(found))
        sums.set(name, (sums.get(name) ?? 0) + (viewAs(value, "float32")[0] as number));
    }
  });
  return new Map(Array.from(sums, ([name, sum]) => [name, sum / count]));
}

const timedRuns = 5;

/**
 * The faster of two training graphs that differ in their backward, by the shortest of a few runs of each on one batch, as
 * a training run has them.
 */
export async function raceBackwards(
  models: Readonly<Record<"float" | "integer", Model>>,
  start: TrainingStart,
  samples: GradientSamples,
): Promise<"float" | "integer"> {
  const times = { float: Infinity, integer: Infinity };
  for await (const data of dataOf(start, samples)) {
    for (const kind of ["float", "integer"] as const) {
      const options = sessionOf(samples);
      const training = await openSession(await holdTurned(models[kind], start.state, options), options);
      try {
        const feeds = feedsOf(training, start, data);
        await training.run(feeds);
        for (let run = 0; run < timedRuns; run++) {
          const begin = performance.now();
          await training.run(feeds);
          times[kind] = Math.min(times[kind], performance.now() - begin);
        }
      } finally {
        await training.release();
      }
    }
    break;
  }
  return times.integer < times.float ? "integer" : "float";
}

const sessionOf = ({ session }: GradientSamples): SessionOptions => ({
  ...session,
  memoryPattern: false,
  config: { "session.disable_quant_qdq": "1" },
});

/** Inputs and targets of each batch. */
async function* dataOf(
  start: TrainingStart,
  { teacher, batches, session }: GradientSamples,
): AsyncGenerator<Record<string, Tensor>> {
  const taught = start.targets.some(({ source }) => source.from === "teacher");
  const judge = taught ? await openSession(teacher, session) : undefined;
  try {
    for await (const batch of batches()) yield { ...batch.inputs, ...(await targetsOf(start, batch, judge)) };
  } finally {
    await judge?.release();
  }
}

function feedsOf(
  training: Session,
  { state }: TrainingStart,
  data: Readonly<Record<string, Tensor>>,
): Record<string, Tensor> {
  return Object.fromEntries(
    training.inputs.map(({ name }) => [name, (data[name] ?? state.get(name)) as Tensor]),
  );
}
