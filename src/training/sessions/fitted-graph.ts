import { join } from "node:path";
import { InternalError } from "../../errors.ts";
import type { Model } from "../../ir/model.ts";
import { loadModel } from "../../onnx/index.ts";
import { openSession } from "../../runtime/open-model.ts";
import { profiledIn } from "../../runtime/read-profile.ts";
import { Session, type SessionOptions } from "../../runtime/session.ts";
import { artifactFiles, type Manifest } from "../artifact/manifest.ts";
import { bakeFrozen, type FrozenParts, frozenParts } from "../artifact/train-from.ts";
import { requantizingModel, requantizeWeights, withBackwardWeights } from "../artifact/backward-weights.ts";
import { stateTensor, type TrainingState } from "../state.ts";
import type { TrainOptions } from "../train-options.ts";
import { sessionOptions } from "./graphs.ts";

/** Milliseconds that a kernel takes at each run to pack a byte of a weight that is no constant; measured. */
const packingByte = 2.5e-6;
/** Milliseconds that building a session takes per node; measured. */
const buildingNode = 0.1;

/** Whether building a session with weights of so many bytes as constants costs less than packing them at each of so many steps. */
export const constantsPay = (model: Model, bytes: number, steps: number): boolean =>
  bytes * packingByte * steps > model.graph.nodes.length * buildingNode;

export interface FittedOptions extends Pick<TrainOptions, "provider" | "threads" | "arena"> {
  /** A folder for each session that is opened, where it leaves its profile. */
  profile?: () => string;
}

const bytesOf = (tensors: TrainingState): number =>
  [...tensors.values()].reduce((sum, tensor) => sum + tensor.bytes.byteLength, 0);

/**
 * The training session of a run, rebuilt for the rows that train: its backward ends at the first layer that trains, and
 * weights without a trained row are constants, which ONNX Runtime packs once. Which weights behind that layer are frozen
 * changes with every choice of rows; where packing them at each run costs less than a new session, they stay inputs. The
 * session depends on the state and on `fit`'s arguments alone, so that a resumed run builds the same one.
 */
export class FittedGraph {
  readonly #directory: string;
  readonly #manifest: Manifest;
  readonly #options: FittedOptions;
  #session: Session | undefined;
  /** What the open session was built for; empty: the artifact's own graph. */
  #fitted = "";
  /** Whether the open session's backward goes through all layers. */
  #whole = false;
  /** Whether the next choice of rows builds a session in any case. */
  #rebuildsAlways = false;
  /** Re-quantizes weights for data gradients on integer kernels, once that was asked for. */
  #requantizing: Session | undefined;
  #backwardWeights: TrainingState = new Map();
  /** The artifact's training graph once it was needed; its weights are inputs, so that it is small. */
  #model: Model | undefined;

  constructor(directory: string, manifest: Manifest, options: FittedOptions) {
    this.#directory = directory;
    this.#manifest = manifest;
    this.#options = options;
  }

  /** The training graph as it was fitted last. */
  get session(): Session {
    if (this.#session === undefined) throw new InternalError("the training graph is not fitted to rows yet");
    return this.#session;
  }

  /** Re-quantized backward weights, of when the rows were last chosen. */
  get backwardWeights(): TrainingState {
    return this.#backwardWeights;
  }

  /** About how many milliseconds building a session takes. */
  async buildingTime(): Promise<number> {
    return (await this.#load()).graph.nodes.length * buildingNode;
  }

  /**
   * Opens the session for the rows that a state trains, and returns the names of the tensors of the state that stay
   * constant. `steps`: how many steps will use it. `backwardWeights`: those of an interrupted run that is resumed.
   */
  async fit(
    state: TrainingState,
    first: string | null,
    steps: number,
    backwardWeights?: TrainingState,
  ): Promise<ReadonlySet<string>> {
    const model = await this.#load();
    const frozen = frozenParts(model.graph, this.#manifest, state, first);
    const weights = this.#constantWeights(model, state, frozen, steps);
    const wanted = [first ?? "", ...weights].join("\n").trim();
    if (this.#rebuildsAlways) await this.#close();
    this.#backwardWeights = backwardWeights ?? (await this.#requantize(model, state));
    const as = constantsPay(model, bytesOf(this.#backwardWeights), steps) ? "constants" : "inputs";
    const fitted = this.#backwardWeights.size > 0 ? `${wanted}\n${as}` : wanted;
    if (this.#session === undefined || fitted !== this.#fitted || as === "constants") {
      await this.#close();
      const baked =
        wanted === "" ? model : bakeFrozen(model, this.#manifest, state, { weights, inputs: frozen.inputs });
      this.#session = await this.#open(baked, as);
      this.#fitted = fitted;
      this.#whole = first === null;
      this.#rebuildsAlways = as === "constants";
    }
    return frozen.inputs;
  }

  async #load(): Promise<Model> {
    return (this.#model ??= await loadModel(join(this.#directory, artifactFiles.trainingModel)));
  }

  async #requantize(model: Model, state: TrainingState): Promise<TrainingState> {
    if (this.#requantizing === undefined) {
      const requantizing = requantizingModel(model);
      if (requantizing === undefined) return new Map();
      // Without an arena, which would keep what re-quantizing takes for as long as the run lasts.
      const settings = sessionOptions(this.#manifest, { ...this.#options, arena: false });
      this.#requantizing = await openSession(requantizing, settings);
    }
    return requantizeWeights(this.#requantizing, state);
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
    if (baked === this.#model && this.#backwardWeights.size === 0) return this.#openWhole();
    const fitted = withBackwardWeights(baked, this.#backwardWeights, as);
    return openSession(fitted, this.#settings(fitted));
  }

  /**
   * Runs `work` with a session whose backward goes through all layers: the open one, or one on the artifact's own graph.
   * To be called where `fit` follows, which may go on with it. One training session is open at a time.
   */
  async throughout<T>(work: (session: Session) => Promise<T>): Promise<T> {
    if (!this.#whole) await this.#close();
    if (this.#session === undefined) {
      this.#session = await this.#openWhole();
      this.#fitted = "";
      this.#whole = true;
    }
    return work(this.#session);
  }

  /** Releases all sessions. */
  async release(): Promise<void> {
    await this.#close();
    await this.#requantizing?.release();
    this.#requantizing = undefined;
  }

  async #close(): Promise<void> {
    await this.#session?.release();
    this.#session = undefined;
    this.#rebuildsAlways = false;
  }

  async #openWhole(): Promise<Session> {
    const file = join(this.#directory, artifactFiles.trainingModel);
    return Session.create(file, this.#settings(await this.#load()));
  }

  #settings(model: Model): SessionOptions {
    const { profile } = this.#options;
    const settings = sessionOptions(this.#manifest, this.#options);
    return profile === undefined ? settings : { ...settings, ...profiledIn(profile(), model) };
  }
}
