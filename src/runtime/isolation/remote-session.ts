import { InternalError } from "../../errors.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { PortType, SessionBackend } from "../session-types.ts";
import type { Frame } from "./frames.ts";
import { type Answer, type CallLimits, packTensors, type Request, unpackTensors } from "./messages.ts";

export type Call = (request: Frame<Request>) => Promise<Frame<Answer>>;

/** A session of the process that runs ONNX Runtime. */
export class RemoteSession implements SessionBackend {
  readonly inputs: readonly PortType[];
  readonly outputs: readonly PortType[];
  readonly #number: number;
  readonly #limits: CallLimits;
  readonly #call: Call;
  readonly #ended: () => boolean;

  constructor(
    loaded: Extract<Answer, { type: "loaded" }>,
    limits: CallLimits,
    call: Call,
    ended: () => boolean,
  ) {
    this.inputs = loaded.inputs;
    this.outputs = loaded.outputs;
    this.#number = loaded.session;
    this.#limits = limits;
    this.#call = call;
    this.#ended = ended;
  }

  async run(
    feeds: Readonly<Record<string, Tensor>>,
    fetches: readonly string[] | undefined,
  ): Promise<Record<string, Tensor>> {
    const { message, blocks } = await this.#run(feeds, fetches, false);
    return unpackTensors(message.outputs, blocks);
  }

  async time(feeds: Readonly<Record<string, Tensor>>): Promise<number> {
    return (await this.#run(feeds, undefined, true)).message.milliseconds;
  }

  endProfile(): void {
    throw new InternalError("profiles are written by sessions of this process");
  }

  async release(): Promise<void> {
    if (this.#ended()) return;
    await this.#call({
      message: { type: "release", session: this.#number, limits: this.#limits },
      blocks: [],
    });
  }

  async #run(
    feeds: Readonly<Record<string, Tensor>>,
    fetches: readonly string[] | undefined,
    timed: boolean,
  ): Promise<Frame<Extract<Answer, { type: "ran" }>>> {
    const { heads, blocks } = packTensors(feeds);
    const request = { type: "run", session: this.#number, feeds: heads, fetches, timed } as const;
    const { message, blocks: results } = await this.#call({
      message: { ...request, limits: this.#limits },
      blocks,
    });
    if (message.type !== "ran") throw new InternalError(`answer ${message.type} to run`);
    return { message, blocks: results };
  }
}
