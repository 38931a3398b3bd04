import { join } from "node:path";
import { loadModel, saveModel } from "../../src/onnx/index.ts";
import { dropUnused } from "../../src/passes/remove-unused.ts";
import { Session } from "../../src/runtime/session.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { artifactFiles } from "../../src/training/artifact/manifest.ts";
import { defaultTrainOptions } from "../../src/training/train-options.ts";
import {
  closeGraphs,
  openGraphs,
  sessionOptions,
  type TrainingGraphs,
} from "../../src/training/trainer/graphs.ts";
import type { RunnableGraph } from "../../src/training/trainer/mean-outputs.ts";
import { Stepper } from "../../src/training/trainer/step.ts";
import { targetsOf } from "../../src/training/trainer/targets.ts";
import type { BenchCase } from "./bench-case.ts";
import type { Contestant } from "./interleave.ts";

/** A session whose running time is added up. */
class TimedGraph implements RunnableGraph {
  readonly inputs: RunnableGraph["inputs"];
  readonly #graph: RunnableGraph;
  spent = 0;

  constructor(graph: RunnableGraph) {
    this.#graph = graph;
    this.inputs = graph.inputs;
  }

  async run(...call: Parameters<RunnableGraph["run"]>): ReturnType<RunnableGraph["run"]> {
    const start = performance.now();
    const results = await this.#graph.run(...call);
    this.spent += performance.now() - start;
    return results;
  }
}

/** Milliseconds of the parts of the last step taken at one ratio. */
export interface StepParts {
  step: number;
  training: number;
  sessions: number;
}

/** What one artifact's steps are timed with. */
export interface StepTimer {
  /** The training graph's own forward pass and loss alone. */
  forward: Contestant;
  /** A whole training step (gradients, optimizer, state) per ratio; `parts` tells what of it the sessions took. */
  steps: { ratio: number; contestant: Contestant; parts: StepParts[] }[];
  close(): Promise<void>;
}

/** Opens the sessions of a case and sets up one contestant per ratio, all on the same sessions. */
export async function openStepTimer(
  bench: BenchCase,
  ratios: readonly number[],
  threads: number,
): Promise<StepTimer> {
  const graphs = await openGraphs(bench.directory, bench.manifest, { ...runtime, threads });
  const forward = await openForward(bench, threads);
  const indices = Array.from({ length: bench.model.batch }, (_, index) => index);
  const batch = await bench.dataset.read(indices);
  const data = { ...batch.inputs, ...(await targetsOf(bench.manifest, batch, undefined)) };
  const steps = ratios.map((ratio) => stepContestant(bench, graphs, data, ratio));
  return {
    forward: forwardContestant(bench, forward, data),
    steps,
    close: async () => {
      await closeGraphs(graphs);
      await forward.release();
    },
  };
}

/** The trainer's own session settings. */
const runtime = { provider: null, arena: defaultTrainOptions.arena };

/** The training graph cut down to the loss, so that a step less this is the backward. */
async function openForward({ directory, manifest }: BenchCase, threads: number): Promise<Session> {
  const model = await loadModel(join(directory, artifactFiles.trainingModel));
  model.graph.outputs = model.graph.outputs.filter(({ name }) => name === "loss");
  const file = join(directory, "forward.onnx");
  await saveModel(dropUnused(model), file);
  return Session.create(file, { ...sessionOptions(manifest, { ...runtime, threads }) });
}

function forwardContestant(bench: BenchCase, session: Session, data: Record<string, Tensor>): Contestant {
  const state = bench.stateAt(0);
  const feeds: Record<string, Tensor> = {};
  for (const { name } of session.inputs) feeds[name] = (data[name] ?? state.get(name)) as Tensor;
  return {
    name: `${bench.forward} forward`,
    once: async () => {
      const start = performance.now();
      await session.run(feeds, ["loss"]);
      return performance.now() - start;
    },
  };
}

function stepContestant(
  bench: BenchCase,
  graphs: TrainingGraphs,
  data: Record<string, Tensor>,
  ratio: number,
): StepTimer["steps"][number] {
  const training = new TimedGraph(graphs.training);
  const optimizer = new TimedGraph(graphs.optimizer);
  const stepper = new Stepper(bench.manifest, { training, optimizer }, {});
  const state = bench.stateAt(ratio);
  const parts: StepParts[] = [];
  const once = async (): Promise<number> => {
    training.spent = optimizer.spent = 0;
    const start = performance.now();
    await stepper.run(state, [data], 1e-6);
    const step = performance.now() - start;
    parts.push({ step, training: training.spent, sessions: training.spent + optimizer.spent });
    return step;
  };
  return { ratio, contestant: { name: `${bench.forward} step r=${ratio}`, once }, parts };
}
