import { convertFloats } from "../tensor/convert-floats.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { currentHost } from "./isolation/isolate.ts";
import { createNativeSession } from "./native-session.ts";
import type { PortType, SessionBackend, SessionOptions } from "./session-types.ts";

export { runtimeVersion } from "./providers.ts";
export {
  type PortType,
  type RuntimeOptions,
  type SessionBackend,
  type SessionOptions,
  transferable,
} from "./session-types.ts";

/**
 * A loaded model. In this process `run` blocks the thread it is called on; within `isolateRuntime` it does not, since the
 * model lives in another process. Release it: it holds native memory.
 */
export class Session {
  readonly inputs: readonly PortType[];
  readonly outputs: readonly PortType[];
  readonly #backend: SessionBackend;

  private constructor(backend: SessionBackend) {
    this.#backend = backend;
    this.inputs = backend.inputs;
    this.outputs = backend.outputs;
  }

  /** Samples per run, where the model fixes them. */
  get fixedBatch(): number | undefined {
    const first = this.inputs[0]?.shape[0];
    return typeof first === "number" && first > 0 ? first : undefined;
  }

  /**
   * Loads a model from encoded bytes, or from a file (external data is then found beside it). Throws
   * model/runtime-load, and environment/runtime-* where another process loads it and comes to grief.
   */
  static async create(model: Uint8Array | string, options: SessionOptions = {}): Promise<Session> {
    const own = options.isolated === false || options.profilePrefix !== undefined;
    const host = own ? undefined : currentHost();
    return new Session(
      host === undefined ? await createNativeSession(model, options) : await host.load(model, options),
    );
  }

  /** Runs the model once. Feeds by input name; all outputs, or those named in `fetches`. Output tensors are fresh. */
  run(feeds: Readonly<Record<string, Tensor>>, fetches?: readonly string[]): Promise<Record<string, Tensor>> {
    return this.#backend.run(this.#fitFeeds(feeds), fetches);
  }

  /** Runs the model once and tells the milliseconds, measured where it runs. */
  time(feeds: Readonly<Record<string, Tensor>>): Promise<number> {
    return this.#backend.time(this.#fitFeeds(feeds));
  }

  /** Data are float32; a model that takes other floats gets those. */
  #fitFeeds(feeds: Readonly<Record<string, Tensor>>): Readonly<Record<string, Tensor>> {
    const others = this.inputs.filter(({ dtype }) => dtype === "float16" || dtype === "float64");
    if (others.length === 0) return feeds;
    const types = new Map(others.map(({ name, dtype }) => [name, dtype]));
    return Object.fromEntries(
      Object.entries(feeds).map(([name, tensor]) => {
        const dtype = tensor.dtype === "float32" ? types.get(name) : undefined;
        return [name, dtype === undefined ? tensor : convertFloats(tensor, dtype)];
      }),
    );
  }

  /** Writes the profile of the runs so far, where the session was created with `profilePrefix`. */
  endProfile(): void {
    this.#backend.endProfile();
  }

  release(): Promise<void> {
    return this.#backend.release();
  }
}
