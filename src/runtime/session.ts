import * as ort from "onnxruntime-node";
import { environmentError, modelError } from "../errors.ts";
import { type DataType, dataTypes } from "../tensor/data-type.ts";
import { type Tensor, tensorOf, type ViewableType, viewAs } from "../tensor/tensor.ts";

/** How a session is created. Everything has ONNX Runtime's default unless given. */
export interface SessionOptions {
  /** Execution provider, by ONNX Runtime's name ("cpu", "cuda", ...). Default "cpu". */
  provider?: string;
  /** Threads within an operator; default: ONNX Runtime's choice. */
  threads?: number;
  optimization?: "disabled" | "basic" | "extended" | "all";
  /** Session config entries, for example {"session.disable_quant_qdq": "1"}. */
  config?: Readonly<Record<string, string>>;
  /** Where ONNX Runtime writes the graph it optimized. */
  optimizedModelPath?: string;
  /** CPU memory arena and memory pattern; off halves the peak of training graphs. Default on. */
  arena?: boolean;
}

/** Type and shape of a model input or output as the runtime sees it; symbolic dimensions are strings. */
export interface PortType {
  name: string;
  dtype: DataType;
  shape: (number | string)[];
}

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

  /** Loads a model from encoded bytes, or from a file (external data is then found beside it). */
  static async create(model: Uint8Array | string, options: SessionOptions = {}): Promise<Session> {
    const provider = options.provider ?? "cpu";
    requireProvider(provider);
    try {
      const native = sessionOptions(provider, options);
      const session =
        typeof model === "string"
          ? await ort.InferenceSession.create(model, native)
          : await ort.InferenceSession.create(model, native);
      return new Session(session);
    } catch (error) {
      throw modelError(
        "runtime-load",
        `ONNX Runtime could not load the model: ${messageOf(error)}`,
        typeof model === "string" ? model : undefined,
        "Check that the file is complete and that its operators and opset are known to ONNX Runtime.",
        error,
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
    const results = await (fetches === undefined
      ? this.#session.run(native)
      : this.#session.run(native, fetches));
    const outputs: Record<string, Tensor> = {};
    for (const [name, value] of Object.entries(results)) outputs[name] = fromRuntime(value as ort.Tensor);
    return outputs;
  }

  async release(): Promise<void> {
    await this.#session.release();
  }
}

/** Execution providers that the installed runtime carries. */
export function availableProviders(): string[] {
  return ort.listSupportedBackends().map((backend) => backend.name);
}

/** Version of the installed ONNX Runtime. */
export function runtimeVersion(): string {
  return ort.env.versions.node ?? ort.env.versions.common;
}

function requireProvider(provider: string): void {
  const available = availableProviders();
  if (available.includes(provider)) return;
  throw environmentError(
    "provider",
    `The execution provider "${provider}" is not in the installed ONNX Runtime, which has: ${available.join(", ")}`,
    "--provider",
    provider === "cuda"
      ? "On Linux x64, reinstall with ONNXRUNTIME_NODE_INSTALL unset so that onnxruntime-node fetches its CUDA libraries, or use --provider cpu."
      : "Choose one of the providers listed, or use --provider cpu.",
  );
}

function sessionOptions(provider: string, options: SessionOptions): ort.InferenceSession.SessionOptions {
  const native: ort.InferenceSession.SessionOptions = {
    executionProviders: provider === "cpu" ? ["cpu"] : [provider, "cpu"],
    graphOptimizationLevel: options.optimization ?? "all",
    logSeverityLevel: 3,
  };
  if (options.threads !== undefined) native.intraOpNumThreads = options.threads;
  if (options.optimizedModelPath !== undefined) native.optimizedModelFilePath = options.optimizedModelPath;
  if (options.arena === false) {
    native.enableCpuMemArena = false;
    native.enableMemPattern = false;
  }
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
  if (!port.isTensor) return { name: port.name, dtype: "float32", shape: [] };
  return { name: port.name, dtype: port.type as DataType, shape: [...port.shape] };
}

function toRuntime(tensor: Tensor): ort.Tensor {
  if (tensor.dtype === "string") {
    return new ort.Tensor(
      "string",
      (tensor.strings ?? []).map((bytes) => Buffer.from(bytes).toString()),
      tensor.dims,
    );
  }
  if (tensor.dtype === "bool") return new ort.Tensor("bool", viewAs(tensor, "bool"), tensor.dims);
  const data = viewAs(tensor, tensor.dtype as ViewableType);
  return new ort.Tensor(tensor.dtype as "float32", data as Float32Array, tensor.dims);
}

function fromRuntime(value: ort.Tensor): Tensor {
  if (value.type === "string") {
    const strings = (value.data as string[]).map((text) => new TextEncoder().encode(text));
    return { dtype: "string", dims: value.dims, bytes: new Uint8Array(0), strings };
  }
  if (!(value.type in dataTypes)) throw new TypeError(`runtime tensor type ${value.type}`);
  return tensorOf(value.type as "float32", value.dims, value.data as Float32Array);
}

function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0] as string;
}
