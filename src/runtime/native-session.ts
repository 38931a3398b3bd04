import { InternalError, modelError } from "../errors.ts";
import { type Tensor, tensorOf, type ViewableType, viewAs } from "../tensor/tensor.ts";
import { ort } from "./onnxruntime.ts";
import { setProviderVariables } from "./provider-variables.ts";
import { parseProvider, type ProviderSpec } from "./provider-spec.ts";
import { describeRuntimeError, providerFailure, requireProvider } from "./providers.ts";
import { type PortType, type SessionBackend, type SessionOptions, transferable } from "./session-types.ts";

/** Loads a model into this process, which its runs then block. */
export async function createNativeSession(
  model: Uint8Array | string,
  options: SessionOptions,
): Promise<SessionBackend> {
  const spec = parseProvider(options.provider ?? "cpu");
  const provider = spec.name;
  requireProvider(provider);
  setProviderVariables(spec.environment);
  // Errors come back as exceptions; without this the runtime prints them to stderr as well.
  ort.env.logLevel = "fatal";
  const native = sessionOptions(spec, options);
  try {
    const session =
      typeof model === "string"
        ? await ort.InferenceSession.create(model, native)
        : await ort.InferenceSession.create(model, native);
    return new NativeSession(session);
  } catch (error) {
    if (options.exactKernels === true && sharedWeight.test(describeRuntimeError(error)))
      return createNativeSession(model, { ...options, exactKernels: false });
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

class NativeSession implements SessionBackend {
  readonly inputs: readonly PortType[];
  readonly outputs: readonly PortType[];
  readonly #session: ort.InferenceSession;

  constructor(session: ort.InferenceSession) {
    this.#session = session;
    this.inputs = session.inputMetadata.map(portType);
    this.outputs = session.outputMetadata.map(portType);
  }

  async run(
    feeds: Readonly<Record<string, Tensor>>,
    fetches?: readonly string[],
  ): Promise<Record<string, Tensor>> {
    const results = await this.#runNative(feedsOf(feeds), fetches);
    return Object.fromEntries(Object.entries(results).map(([name, value]) => [name, fromRuntime(value)]));
  }

  async time(feeds: Readonly<Record<string, Tensor>>): Promise<number> {
    const native = feedsOf(feeds);
    const start = performance.now();
    await this.#runNative(native, undefined);
    return performance.now() - start;
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

  endProfile(): void {
    this.#session.endProfiling();
  }

  async release(): Promise<void> {
    await this.#session.release();
  }
}

const feedsOf = (feeds: Readonly<Record<string, Tensor>>): Record<string, ort.Tensor> =>
  Object.fromEntries(Object.entries(feeds).map(([name, tensor]) => [name, toRuntime(tensor)]));

function sessionOptions(
  { name, options: own }: ProviderSpec,
  options: SessionOptions,
): ort.InferenceSession.SessionOptions {
  const native: ort.InferenceSession.SessionOptions = {
    executionProviders: name === "cpu" ? ["cpu"] : [{ name, ...own }, "cpu"],
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
  if (options.exactKernels === true || options.config !== undefined)
    native.extra = nestEntries({ ...(options.exactKernels === true ? exactKernels : {}), ...options.config });
  return native;
}

/** Weights become uint8 where kernels of uint8 by int8 saturate; nothing changes elsewhere. */
const exactKernels = { "session.x64quantprecision": "1" };
/** How ONNX Runtime 1.30 fails to make uint8 of a weight that two nodes read. */
const sharedWeight = /replace the existing tensor/;

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
