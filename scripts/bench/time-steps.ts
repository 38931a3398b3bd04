import type { Tensor } from "../../src/tensor/tensor.ts";
import { closeGraphs, openGraphs, type TrainingGraphs } from "../../src/training/trainer/graphs.ts";
import { type RunnableGraph, Stepper } from "../../src/training/trainer/step.ts";
import { targetsOf } from "../../src/training/trainer/targets.ts";
import type { TrainingState } from "../../src/training/state.ts";
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

/** What one network's steps are timed with. */
export interface StepTimer {
  /** The forward pass and the loss alone. */
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
  const graphs = await openGraphs(bench.directory, bench.manifest, { provider: null, threads, arena: true });
  const indices = Array.from({ length: bench.model.batch }, (_, index) => index);
  const batch = await bench.dataset.read(indices);
  const data = { ...batch.inputs, ...(await targetsOf(bench.manifest, batch, undefined)) };
  const steps = ratios.map((ratio) => stepContestant(bench, graphs, data, ratio));
  return {
    forward: forwardContestant(graphs, data, bench.stateAt(0)),
    steps,
    close: () => closeGraphs(graphs),
  };
}

function forwardContestant(
  { evaluation }: TrainingGraphs,
  data: Record<string, Tensor>,
  state: TrainingState,
): Contestant {
  const feeds: Record<string, Tensor> = {};
  for (const { name } of evaluation.inputs) feeds[name] = (data[name] ?? state.get(name)) as Tensor;
  return {
    name: "forward",
    once: async () => {
      const start = performance.now();
      await evaluation.run(feeds, ["loss"]);
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
    await stepper.run(state, data, 1e-6);
    const step = performance.now() - start;
    parts.push({ step, training: training.spent, sessions: training.spent + optimizer.spent });
    return step;
  };
  return { ratio, contestant: { name: `step r=${ratio}`, once }, parts };
}
