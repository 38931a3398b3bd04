import { openDataset } from "../../data/open-dataset.ts";
import { InternalError } from "../../errors.ts";
import type { Session } from "../../runtime/session.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { readManifest } from "../artifact/files.ts";
import { type Manifest, modelInputs } from "../artifact/manifest.ts";
import { FittedGraph } from "../sessions/fitted-graph.ts";
import { openTeacher } from "../sessions/graphs.ts";
import { type StepData, sumOutputs } from "../sessions/mean-outputs.ts";
import { stateFeeds } from "../sessions/state-feeds.ts";
import { stepDataOf } from "../sessions/targets.ts";
import type { TrainingState } from "../state.ts";
import { applyUpdates } from "../trainer/apply-updates.ts";
import { BatchFeed } from "../trainer/batch-feed.ts";
import type { TrainJob } from "../trainer/job.ts";
import { divideSamples } from "../trainer/open-samples.ts";
import type { Fit } from "../trainer/other-workers.ts";
import { shareOf, threadsOf } from "../trainer/share-runs.ts";
import { unpackUpdates } from "./forward-state.ts";

/** One worker's share of a training run: its runs of the training graph, on its own copy of what the graph reads. */
export class SharedRun {
  readonly #manifest: Manifest;
  readonly #fitted: FittedGraph;
  readonly #teacher: Session | undefined;
  readonly #feedFrom: (step: number) => BatchFeed;
  readonly #state: TrainingState = new Map();
  #feed: BatchFeed | undefined;

  private constructor(
    manifest: Manifest,
    graphs: { fitted: FittedGraph; teacher: Session | undefined },
    feedFrom: (step: number) => BatchFeed,
  ) {
    this.#manifest = manifest;
    this.#fitted = graphs.fitted;
    this.#teacher = graphs.teacher;
    this.#feedFrom = feedFrom;
  }

  /** Opens data and graphs for a worker of a run, counted from 0. */
  static async open({ artifact, data, options }: TrainJob, worker: number): Promise<SharedRun> {
    const manifest = await readManifest(artifact);
    const { parts, plan } = divideSamples(manifest, options, await openDataset(data, modelInputs(manifest)));
    const runtime = { ...options, threads: threadsOf(options) };
    const teacher = await openTeacher(artifact, manifest, runtime);
    const fitted = new FittedGraph(artifact, manifest, runtime);
    const share = shareOf(plan.accumulate, options.workers, worker);
    const feedFrom = (step: number): BatchFeed => new BatchFeed(parts.train, plan, options, step, share);
    return new SharedRun(manifest, { fitted, teacher }, feedFrom);
  }

  /** Takes on tensors of the state, and fits the training graph to its rows. Gives the names of the graph's outputs. */
  async fit(
    tensors: Readonly<Record<string, Tensor>>,
    { first, steps, backwardWeights }: Fit,
  ): Promise<string[]> {
    for (const [name, tensor] of Object.entries(tensors)) this.#state.set(name, tensor);
    await this.#fitted.fit(this.#state, first, steps, backwardWeights);
    return this.#fitted.session.outputs.map(({ name }) => name);
  }

  update(blocks: readonly Uint8Array[]): void {
    const updates = unpackUpdates(this.#manifest, this.#state, blocks);
    applyUpdates(this.#manifest, this.#state, updates, new Set());
  }

  /** Sums of the training graph's outputs over this worker's runs of a step, in the order of its outputs. */
  async step(step: number): Promise<Uint8Array[]> {
    const { session, backwardWeights } = this.#fitted;
    const feeds = stateFeeds(this.#manifest, session, backwardWeights, this.#state);
    const { sums } = await sumOutputs(session, feeds, this.#batches(step));
    return session.outputs.map(({ name }) => {
      const sum = sums[name];
      if (sum === undefined) throw new InternalError(`the training graph gave no "${name}"`);
      return sum.bytes;
    });
  }

  async *#batches(step: number): AsyncGenerator<StepData> {
    this.#feed ??= this.#feedFrom(step);
    for await (const batch of this.#feed.take(step))
      yield await stepDataOf(this.#manifest, batch, this.#teacher);
  }
}
