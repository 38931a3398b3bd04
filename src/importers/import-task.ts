import type { DataType } from "../tensor/data-type.ts";

/** One input as a user gives it: a shape whose first dimension counts samples, and a type. */
export interface InputSpec {
  name?: string | undefined;
  shape: number[];
  dtype: DataType;
}

/** What all importers are asked. */
interface CommonTask {
  /** Interpreter that was asked for: a command or a path. Default: python3, else python. */
  python?: string | undefined;
  /** Further dimensions that stay open, by input. */
  openAxes: Readonly<Record<string, readonly number[]>>;
  /** The batch has the size of the example. */
  fixedBatch: boolean;
  opset?: number | undefined;
}

export type Exporter = "auto" | "dynamo" | "torchscript";

/** A function, class or module of a Python module. */
export interface TorchTask extends CommonTask {
  from: "torch";
  /** "net.py:build" or "package.module:name". */
  source: string;
  inputs: readonly InputSpec[];
  exporter: Exporter;
}

/** A folder with config.json and weights. */
export interface HuggingFaceTask extends CommonTask {
  from: "hf";
  source: string;
  task: string;
  /** Length of the example's texts. */
  tokens?: number | undefined;
  exporter: Exporter;
}

/** A SavedModel folder, or a Keras file. */
export interface TensorFlowTask extends CommonTask {
  from: "tf";
  source: string;
}

export type ImportTask = TorchTask | HuggingFaceTask | TensorFlowTask;
