import { join } from "node:path";
import type { Model } from "../../ir/model.ts";
import { loadModel } from "../../onnx/index.ts";
import { openSession } from "../../runtime/open-model.ts";
import { Session } from "../../runtime/session.ts";
import { artifactFiles, type Manifest } from "../artifact/manifest.ts";
import { bakeFrozen, type FrozenParts, frozenParts } from "../artifact/train-from.ts";
import { turningModel, turnWeights, withTurned } from "../artifact/turned-weights.ts";
import type { TrainingState } from "../state.ts";
import type { TrainOptions } from "../train-options.ts";
import { sessionOptions, type TrainingGraphs } from "./graphs.ts";

/** Steps between two choices of rows from which on a training graph is built for the choice. */
const fewestSteps = 16;

/** Milliseconds that a kernel takes at each run to pack a byte of a weight that is no constant; measured. */
const packingByte = 2.5e-6;
/** Milliseconds that building a session takes per node; measured. */
const buildingNode = 0.1;

/** Whether building a session for turned weights as constants costs less than packing them at each of so many steps. */
function packingPays(model: Model, turned: TrainingState, steps: number): boolean {
  const bytes = [...turned.values()].reduce((sum, tensor) => sum + tensor.bytes.byteLength, 0);
  return bytes * packingByte * steps > model.graph.nodes.length * buildingNode;
}

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
  #turned: TrainingState = new Map();
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

  /** Weights turned for data gradients on integer kernels, as they were when the rows were last chosen. */
  get turned(): TrainingState {
    return this.#turned;
  }

  /**
   * Opens the session for a state whose rows were just chosen, and gives the names of the state's tensors that stay as
   * they are. `steps`: how many it will be used for. `turned`: what was there when a run that goes on was interrupted.
   */
  async fit(
    state: TrainingState,
    first: string | null,
    steps: number,
    turned?: TrainingState,
  ): Promise<ReadonlySet<string>> {
    const pays = first !== null || steps >= fewestSteps;
    const model = (this.#model ??= await loadModel(join(this.#directory, artifactFiles.trainingModel)));
    const frozen = frozenParts(model.graph, this.#manifest, state, first);
    const wanted = pays ? [first ?? "", ...frozen.weights].join("\n").trim() : "";
    this.#turned = turned ?? (await this.#turn(model, state));
    const as = this.#turned.size > 0 && packingPays(model, this.#turned, steps) ? "constants" : "inputs";
    const fitted = this.#turned.size > 0 ? `${wanted}\n${as}` : wanted;
    if (fitted !== this.#fitted || as === "constants") {
      await this.#graphs.training.release();
      this.#graphs.training = await this.#open(model, state, frozen, wanted, as);
      this.#fitted = fitted;
    }
    return frozen.inputs;
  }

  async #turn(model: Model, state: TrainingState): Promise<TrainingState> {
    if (this.#graphs.turning === undefined) {
      const turning = turningModel(model);
      if (turning === undefined) return new Map();
      this.#graphs.turning = await openSession(turning, sessionOptions(this.#manifest, this.#options));
    }
    return turnWeights(this.#graphs.turning, state);
  }

  #open(
    model: Model,
    state: TrainingState,
    frozen: FrozenParts,
    wanted: string,
    as: "constants" | "inputs",
  ): Promise<Session> {
    if (wanted === "" && this.#turned.size === 0) return this.#openWhole();
    const baked = wanted === "" ? model : bakeFrozen(model, this.#manifest, state, frozen);
    const settings = sessionOptions(this.#manifest, this.#options);
    return openSession(withTurned(baked, this.#turned, as), settings);
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
