import { join } from "node:path";
import type { Model } from "../../ir/model.ts";
import { loadModel } from "../../onnx/index.ts";
import { openSession } from "../../runtime/open-model.ts";
import { Session } from "../../runtime/session.ts";
import { artifactFiles, type Manifest } from "../artifact/manifest.ts";
import {
  bakeFrozen,
  type FrozenParts,
  frozenParts,
  holdSteady,
  steadyState,
} from "../artifact/train-from.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { TrainingState } from "../state.ts";
import type { TrainOptions } from "../train-options.ts";
import { sessionOptions, type TrainingGraphs } from "./graphs.ts";

/** Steps between two choices of rows from which on a training graph is built for the choice. */
const fewestSteps = 16;

/**
 * Keeps the training session of a run fitted to what trains: layers of which no row does are constants of it, and its
 * backward ends at the first layer that trains.
 */
export class FittedGraph {
  readonly #directory: string;
  readonly #manifest: Manifest;
  readonly #graphs: TrainingGraphs;
  readonly #options: Pick<TrainOptions, "provider" | "threads" | "arena">;
  /** What the open session was built for; empty: the artifact's own graph. */
  #fitted = "";
  #held: TrainingState = new Map();
  /** The artifact's training graph once it was needed; its weights are inputs, so that it is small. */
  #model: Model | undefined;

  constructor(
    directory: string,
    manifest: Manifest,
    graphs: TrainingGraphs,
    options: Pick<TrainOptions, "provider" | "threads" | "arena">,
  ) {
    this.#directory = directory;
    this.#manifest = manifest;
    this.#graphs = graphs;
    this.#options = options;
  }

  /** Weights as the open session's data gradients are computed with them, where those lag behind. */
  get held(): TrainingState {
    return this.#held;
  }

  /**
   * Opens the session for a state whose rows were just chosen, and gives the names of the state's tensors that stay as
   * they are. `steps`: how many it will be used for. `held`: what was held when a run that goes on was interrupted.
   */
  async fit(
    state: TrainingState,
    first: string | null,
    steps: number,
    held?: TrainingState,
  ): Promise<ReadonlySet<string>> {
    const pays = first !== null || steps >= fewestSteps;
    const model = (this.#model ??= await loadModel(join(this.#directory, artifactFiles.trainingModel)));
    const frozen = frozenParts(model.graph, this.#manifest, state, first);
    const wanted = pays ? [first ?? "", ...frozen.weights].join("\n").trim() : "";
    this.#held = pays ? (held ?? steadyState(model.graph, state)) : new Map<string, Tensor>();
    if (wanted !== this.#fitted || this.#held.size > 0) {
      await this.#graphs.training.release();
      this.#graphs.training = await this.#open(model, state, frozen, wanted);
      this.#fitted = this.#held.size > 0 ? `${wanted}\nheld` : wanted;
    }
    return frozen.inputs;
  }

  #open(model: Model, state: TrainingState, frozen: FrozenParts, wanted: string): Promise<Session> {
    if (wanted === "" && this.#held.size === 0) return this.#openWhole();
    const baked = wanted === "" ? model : bakeFrozen(model, this.#manifest, state, frozen);
    return openSession(holdSteady(baked, this.#held), sessionOptions(this.#manifest, this.#options));
  }

  /** Runs `work` with a session on the artifact's own graph. */
  async whole<T>(work: (session: Session) => Promise<T>): Promise<T> {
    if (this.#fitted === "") return work(this.#graphs.training);
    const session = await this.#openWhole();
    try {
      return await work(session);
    } finally {
      await session.release();
    }
  }

  #openWhole(): Promise<Session> {
    const file = join(this.#directory, artifactFiles.trainingModel);
    return Session.create(file, sessionOptions(this.#manifest, this.#options));
  }
}
