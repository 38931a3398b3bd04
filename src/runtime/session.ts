import * as ort from "onnxruntime-node";
import { InternalError, modelError } from "../errors.ts";
import type { DataType } from "../tensor/data-type.ts";
import { type Tensor, tensorOf, type ViewableType, viewAs } from "../tensor/tensor.ts";
import { describeRuntimeError, providerFailure, requireProvider } from "./providers.ts";

export { runtimeVersion } from "./providers.ts";

/** Where a model runs. */
export interface RuntimeOptions {
  /** Execution provider, by ONNX Runtime's name ("cpu", "cuda", ...). Default "cpu". */
  provider?: string | undefined;
  /** Threads within an operator; default: ONNX Runtime's choice. */
  threads?: number | undefined;
}

/** How a session is created. Everything has ONNX Runtime's default unless given. */
export interface SessionOptions extends RuntimeOptions {
  optimization?: "disabled" | "basic" | "extended" | "all";
  /** Session config entries, for example {"session.disable_quant_qdq": "1"}. */
  config?: Readonly<Record<string, string>>;
  /** Where ONNX Runtime writes the graph it optimized. */
  optimizedModelPath?: string;
  /** CPU memory arena; default on. */
  arena?: boolean;
  /**
   * One block for all that a run needs, planned from the run before. Default on, where there is an arena. For training
   * graphs it takes more memory than it saves time.
   */
  memoryPattern?: boolean;
  /** Records the time of every node; ONNX Runtime writes it to a file of this prefix, at {@link Session.endProfile}. */
  profilePrefix?: string;
}

/**
 * Type and shape of a model input or output as the runtime sees it; symbolic dimensions are strings, and ""
 * where the runtime knows nothing. Sequences, maps and optionals have `tensor` false, and no meaning in the rest.
 */
export interface PortType {
  name: string;
  tensor: boolean;
  dtype: DataType;
  shape: (number | string)[];
}

/** Element types of tensors that the runtime's JavaScript binding carries in and out (no bfloat16, no 8-bit floats, nothing narrower). */
export const transferable: ReadonlySet<DataType> = new Set<DataType>([
  "bool",
  "float16",
  "float32",
  "float64",
  "int16",
  "int32",
  "int64",
  "int8",
  "string",
  "uint16",
  "uint32",
  "uint64",
  "uint8",
]);

/** A loaded model. `run` blocks the thread it is called on. Release it: it holds native memory. */
export class Session {
  readonly inputs: readonly PortType[];
  readonly outputs: readonly PortType[];
  readonly #session: ort.InferenceSession;

  private constructor(session: ort.InferenceSession) {
    this.#session = session;
    this.inputs = session.inputMetadata.map(portType);
    this.outputs = session.outputMetadata.map(portType);
  }

  /** Samples per run, where the model fixes them. */
  get fixedBatch(): number | undefined {
    const first = this.inputs[0]?.shape[0];
    return typeof first === "number" && first > 0 ? first : undefined;
  }

  /** Loads a model from encoded bytes, or from a file (external data is then found beside it). */
  static async create(model: Uint8Array | string, options: SessionOptions = {}): Promise<Session> {
    const provider = options.provider ?? "cpu";
    requireProvider(provider);
    // Errors come back as exceptions; without this the runtime prints them to stderr as well.
    ort.env.logLevel = "fatal";
    try {
      const native = sessionOptions(provider, options);
      const session =
        typeof model === "string"
          ? await ort.InferenceSession.create(model, native)
          : await ort.InferenceSession.create(model, native);
      return new Session(session);
    } catch (error) {
      throw (
        providerFailure(provider, error) ??
        modelError(
          "runtime-load",
          `ONNX Runtime could not load the model: ${describeRuntimeError(error)}`,
          typeof model === "string" ? model : undefined,
          "Check that the file is complete and that its operators and opset are known to ONNX Runtime.",
          error,
        )
      );
    }
  }

  /** Runs the model once. Feeds by input name; all outputs, or those named in `fetches`. Output tensors are fresh. */
  async run(
    feeds: Readonly<Record<string, Tensor>>,
    fetches?: readonly string[],
  ): Promise<Record<string, Tensor>> {
    const native: Record<string, ort.Tensor> = {};
    for (const [name, tensor] of Object.entries(feeds)) native[name] = toRuntime(tensor);
    const results = await this.#runNative(native, fetches);
    const outputs: Record<string, Tensor> = {};
    for (const [name, value] of Object.entries(results)) outputs[name] = fromRuntime(value);
    return outputs;
  }

  async #runNative(
    feeds: Record<string, ort.Tensor>,
    fetches: readonly string[] | undefined,
  ): Promise<ort.InferenceSession.OnnxValueMapType> {
    try {
      return await (fetches === undefined ? this.#session.run(feeds) : this.#session.run(feeds, fetches));
    } catch (error) {
      throw modelError(
        "runtime-run",
        `ONNX Runtime could not run the model: ${describeRuntimeError(error)}`,
        undefined,
        "Check that the inputs have the names, types and shapes that the model asks for.",
        error,
      );
    }
  }

  /** Writes the profile of the runs so far, where the session was created with `profilePrefix`. */
  endProfile(): void {
    this.#session.endProfiling();
  }

  async release(): Promise<void> {
    await this.#session.release();
  }
}

function sessionOptions(provider: string, options: SessionOptions): ort.InferenceSession.SessionOptions {
  const native: ort.InferenceSession.SessionOptions = {
    executionProviders: provider === "cpu" ? ["cpu"] : [provider, "cpu"],
    graphOptimizationLevel: options.optimization ?? "all",
    logSeverityLevel: 4,
  };
  if (options.threads !== undefined) native.intraOpNumThreads = options.threads;
  if (options.optimizedModelPath !== undefined) native.optimizedModelFilePath = options.optimizedModelPath;
  if (options.profilePrefix !== undefined) {
    native.enableProfiling = true;
    native.profileFilePrefix = options.profilePrefix;
  }
  if (options.arena === false) native.enableCpuMemArena = false;
  if (options.arena === false || options.memoryPattern === false) native.enableMemPattern = false;
  if (options.config !== undefined) native.extra = nestEntries(options.config);
  return native;
}

/** {"session.a_b": "1"} becomes {session: {a_b: "1"}}, the form that the Node binding flattens again. */
function nestEntries(entries: Readonly<Record<string, string>>): Record<string, unknown> {
  const root: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(entries)) {
    const parts = key.split(".");
    let level = root;
    for (const part of parts.slice(0, -1)) level = (level[part] ??= {}) as Record<string, unknown>;
    level[parts.at(-1) as string] = value;
  }
  return root;
}

function portType(port: ort.InferenceSession.ValueMetadata): PortType {
  if (!port.isTensor) return { name: port.name, tensor: false, dtype: "float32", shape: [] };
  return { name: port.name, tensor: true, dtype: port.type, shape: [...port.shape] };
}

function toRuntime(tensor: Tensor): ort.Tensor {
  if (tensor.dtype === "string") {
    return new ort.Tensor(
      "string",
      (tensor.strings ?? []).map((bytes) => new TextDecoder().decode(bytes)),
      tensor.dims,
    );
  }
  const { dtype, dims } = tensor;
  if (!transferable.has(dtype))
    throw new InternalError(`ONNX Runtime's binding takes no ${dtype} tensors, only models may hold them`);
  return new ort.Tensor(dtype as "float32", viewAs(tensor, dtype as ViewableType) as Float32Array, dims);
}

function fromRuntime(value: ort.Tensor): Tensor {
  if (value.type === "string") {
    const strings = (value.data as string[]).map((text) => new TextEncoder().encode(text));
    return { dtype: "string", dims: value.dims, bytes: new Uint8Array(0), strings };
  }
  if (!transferable.has(value.type)) throw new InternalError(`runtime tensor of type ${value.type}`);
  return tensorOf(value.type as "float32", value.dims, value.data as Float32Array);
}
