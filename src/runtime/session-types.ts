import type { DataType } from "../tensor/data-type.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { CallLimits } from "./isolation/messages.ts";

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
  /**
   * Sums of products of codes are exact, as on processors with VNNI, also where this machine's kernels saturate: see
   * saturation.ts; for machines where they do. Default: as this machine has them.
   */
  exactKernels?: boolean | undefined;
  /** Where ONNX Runtime writes the graph it optimized. */
  optimizedModelPath?: string;
  /** CPU memory arena; default on. */
  arena?: boolean;
  /**
   * One block for all that a run needs, planned from the run before. Default on, where there is an arena. For training
   * graphs it takes more memory than it saves time.
   */
  memoryPattern?: boolean;
  /** What loading the model, and each run, may take where sessions are isolated. Default: see isolation/limits.ts. */
  limits?: Partial<CallLimits> | undefined;
  /** false: in this process even where sessions are isolated, for graphs of our own whose time is measured. */
  isolated?: boolean | undefined;
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

/** What carries a session: this process, or another one. */
export interface SessionBackend {
  readonly inputs: readonly PortType[];
  readonly outputs: readonly PortType[];
  run(
    feeds: Readonly<Record<string, Tensor>>,
    fetches: readonly string[] | undefined,
  ): Promise<Record<string, Tensor>>;
  /** Milliseconds of one run, without the way to another process and back. */
  time(feeds: Readonly<Record<string, Tensor>>): Promise<number>;
  endProfile(): void;
  release(): Promise<void>;
}
