import { join } from "node:path";
import type { Model } from "../../ir/model.ts";
import { loadModel } from "../../onnx/index.ts";
import { openSession } from "../../runtime/open-model.ts";
import { Session } from "../../runtime/session.ts";
import { artifactFiles, type Manifest } from "../artifact/manifest.ts";
import { bakeFrozen, type FrozenParts, frozenParts } from "../artifact/train-from.ts";
import { turningModel, turnWeights, withTurned } from "../artifact/turned-weights.ts";
import { stateTensor, type TrainingState } from "../state.ts";
import type { TrainOptions } from "../train-options.ts";
import { sessionOptions, type TrainingGraphs } from "./graphs.ts";

/** Milliseconds that a kernel takes at each run to pack a byte of a weight that is no constant; measured. */
const packingByte = 2.5e-6;
/** Milliseconds that building a session takes per node; measured. */
const buildingNode = 0.1;

/** Whether building a session with weights of so many bytes as constants costs less than packing them at each of so many steps. */
const constantsPay = (model: Model, bytes: number, steps: number): boolean =>
  bytes * packingByte * steps > model.graph.nodes.length * buildingNode;

const bytesOf = (tensors: TrainingState): number =>
  [...tensors.values()].reduce((sum, tensor) => sum + tensor.bytes.byteLength, 0);

/**
 * Keeps the training session of a run fitted to what trains: its backward ends at the first layer that trains, and layers
 * of which no row does are constants of it. Those behind the first that trains change with every choice: where weights are
 * too small for that to be worth a new session, they stay inputs. What is built follows from the state and `fit`'s
 * arguments alone, so that a run that goes on builds what an uninterrupted one has.
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

  /** About how many milliseconds building a session takes. */
  async buildingTime(): Promise<number> {
    return (await this.#whole()).graph.nodes.length * buildingNode;
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
    const model = await this.#whole();
    const frozen = frozenParts(model.graph, this.#manifest, state, first);
    const weights = this.#constantWeights(model, state, frozen, steps);
    const wanted = [first ?? "", ...weights].join("\n").trim();
    this.#turned = turned ?? (await this.#turn(model, state));
    const as = constantsPay(model, bytesOf(this.#turned), steps) ? "constants" : "inputs";
    const fitted = this.#turned.size > 0 ? `${wanted}\n${as}` : wanted;
    if (fitted !== this.#fitted || as === "constants") {
      await this.#graphs.training.release();
      const baked =
        wanted === "" ? model : bakeFrozen(model, this.#manifest, state, { weights, inputs: frozen.inputs });
      this.#graphs.training = await this.#open(baked, as);
      this.#fitted = fitted;
    }
    return frozen.inputs;
  }

  async #whole(): Promise<Model> {
    return (this.#model ??= await loadModel(join(this.#directory, artifactFiles.trainingModel)));
  }

  async #turn(model: Model, state: TrainingState): Promise<TrainingState> {
    if (this.#graphs.turning === undefined) {
      const turning = turningModel(model);
      if (turning === undefined) return new Map();
      this.#graphs.turning = await openSession(turning, sessionOptions(this.#manifest, this.#options));
    }
    return turnWeights(this.#graphs.turning, state);
  }

  /** Which of the weights that do not train are to be constants. */
  #constantWeights(
    model: Model,
    state: TrainingState,
    { weights, before }: FrozenParts,
    steps: number,
  ): ReadonlySet<string> {
    const all = this.#manifest.weights;
    if (weights.size === all.length) return weights;
    const codes = new Map(all.map(({ codes }) => [codes, stateTensor(state, codes)]));
    return constantsPay(model, bytesOf(codes), steps) ? weights : before;
  }

  #open(baked: Model, as: "constants" | "inputs"): Promise<Session> {
    if (baked === this.#model && this.#turned.size === 0) return this.#openWhole();
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
