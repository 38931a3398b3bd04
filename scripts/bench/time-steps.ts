import { join } from "node:path";
import { loadModel, saveModel } from "../../src/onnx/index.ts";
import { dropUnused } from "../../src/passes/remove-unused.ts";
import { Session } from "../../src/runtime/session.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { artifactFiles } from "../../src/training/artifact/manifest.ts";
import { Stopwatch, timedGraph } from "../../src/training/profile/stopwatch.ts";
import { defaultTrainOptions } from "../../src/training/train-options.ts";
import {
  closeGraphs,
  openGraphs,
  sessionOptions,
  type TrainingGraphs,
} from "../../src/training/sessions/graphs.ts";
import { Stepper } from "../../src/training/trainer/step.ts";
import { feedsFor, type TrainingState } from "../../src/training/state.ts";
import { stepDataOf } from "../../src/training/sessions/targets.ts";
import type { BenchCase } from "./bench-case.ts";
import type { Contestant } from "./interleave.ts";

/** Milliseconds of the parts of the last step taken at one ratio. */
export interface StepParts {
  step: number;
  training: number;
  sessions: number;
}

export interface TimedStep {
  mode: "cwpl" | "cost";
  /** Share of rows; of a full backward's time for the mode cost. */
  ratio: number;
  contestant: Contestant;
  parts: StepParts[];
}

/** What one artifact's steps are timed with. */
export interface StepTimer {
  /** The training graph's own forward pass and loss alone. */
  forward: Contestant;
  /** A whole training step (gradients, optimizer, state) per ratio; `parts` tells what of it the sessions took. */
  steps: TimedStep[];
  close(): Promise<void>;
}

/** Opens the sessions of a case and sets up one contestant per ratio, all on the same sessions. */
export async function openStepTimer(
  bench: BenchCase,
  ratios: readonly number[],
  threads: number,
): Promise<StepTimer> {
  const baked = bench.stateAt(0);
  const graphs = await openGraphs(bench.directory, bench.manifest, { ...runtime, threads, baked });
  const forward = await openForward(bench, threads);
  const data = await dataOf(bench);
  const steps = ratios.map((ratio): TimedStep => {
    const stepper = new TimedStepper(bench, graphs);
    return { mode: "cwpl", ratio, ...stepper.contest(`r=${ratio}`, bench.stateAt(ratio), data) };
  });
  const name = `${bench.arithmetic} forward of ${bench.tuned}`;
  return {
    forward: forwardContestant(name, forward, bench.stateAt(0), data),
    steps,
    close: async () => {
      await closeGraphs(graphs);
      await forward.release();
    },
  };
}

/** Inputs and targets of the first batch. */
export async function dataOf({ model, dataset, manifest }: BenchCase): Promise<Record<string, Tensor>> {
  const batch = await dataset.read(Array.from({ length: model.batch }, (_, index) => index));
  return stepDataOf(manifest, batch, undefined);
}

/** The trainer's own session settings. */
export const runtime = { provider: null, arena: defaultTrainOptions.arena };

/** The training graph cut down to the loss, so that a step less this is the backward. */
async function openForward({ directory, manifest }: BenchCase, threads: number): Promise<Session> {
  const model = await loadModel(join(directory, artifactFiles.trainingModel));
  model.graph.outputs = model.graph.outputs.filter(({ name }) => name === "loss");
  const file = join(directory, "forward.onnx");
  await saveModel(dropUnused(model), file);
  return Session.create(file, { ...sessionOptions(manifest, { ...runtime, threads }) });
}

export function forwardContestant(
  name: string,
  session: Session,
  state: TrainingState,
  data: Record<string, Tensor>,
): Contestant {
  const feeds = feedsFor(session, data, state);
  return {
    name,
    once: async () => {
      await session.run(feeds, ["loss"]);
      return undefined;
    },
  };
}

/** Takes training steps and notes what of them the sessions take. */
export class TimedStepper {
  readonly #bench: BenchCase;
  readonly #training = new Stopwatch();
  readonly #optimizer = new Stopwatch();
  readonly #stepper: Stepper;

  /** `still`: tensors of the state that the training graph holds as constants. */
  constructor(
    bench: BenchCase,
    graphs: Pick<TrainingGraphs, "training" | "optimizer">,
    still: ReadonlySet<string> = new Set(),
  ) {
    this.#bench = bench;
    const training = timedGraph(graphs.training, this.#training);
    const optimizer = timedGraph(graphs.optimizer, this.#optimizer);
    this.#stepper = new Stepper(bench.manifest, { training, optimizer }, {});
    this.#stepper.use(training, still);
  }

  contest(
    name: string,
    state: TrainingState,
    data: Record<string, Tensor>,
  ): Pick<TimedStep, "contestant" | "parts"> {
    const parts: StepParts[] = [];
    const once = async (): Promise<number> => {
      const whole = new Stopwatch();
      this.#training.spent = this.#optimizer.spent = 0;
      await whole.time(() => this.#stepper.run(state, [data], 1e-6));
      const [training, optimizer] = [this.#training.spent, this.#optimizer.spent];
      parts.push({ step: whole.spent, training, sessions: training + optimizer });
      return whole.spent;
    };
    return { contestant: { name: `${this.#bench.arithmetic} step ${name}`, once }, parts };
  }
}
