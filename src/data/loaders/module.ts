import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { dataError, UserError } from "../../errors.ts";
import type { DataType } from "../../tensor/data-type.ts";
import { elementCount, type Tensor, tensorOfBytes } from "../../tensor/tensor.ts";
import { checkFinite } from "../array-dataset.ts";
import { checkInputShape } from "../check-input.ts";
import type { Batch, Dataset } from "../dataset.ts";
import { labelOutOfRange } from "../labels.ts";
import type { ModelInput } from "../model-input.ts";
import type { DataSpec } from "../spec.ts";
import { materializeBatches, type ModuleBatch } from "./module-batches.ts";

/** What a data module may export as default, or return from its default function. */
interface ModuleDataset {
  length: number;
  read(indices: number[]): Promise<ModuleBatch> | ModuleBatch;
  classes?: number;
}

type DatasetFactory = (spec: DataSpec, inputs: readonly ModelInput[]) => unknown;

/**
 * Opens a JavaScript module: its default export is {length, read(indices)}, an (async) iterable of batches, or
 * a function of (spec, inputs) that gives either. Iterated batches are kept in memory. The module is code and
 * runs with the caller's rights.
 */
export async function openModule(
  path: string,
  spec: DataSpec,
  inputs: readonly ModelInput[],
): Promise<Dataset> {
  const exported = await importDefault(path);
  const made = typeof exported === "function" ? await (exported as DatasetFactory)(spec, inputs) : exported;
  const source = isDataset(made) ? made : await materialize(made, path, spec);
  const first = source.length > 0 ? await source.read([0]) : undefined;
  const hasLabels = spec.labels !== "none" && first?.labels !== undefined;
  return {
    name: path.split(/[\\/]/).at(-1) as string,
    length: source.length,
    hasLabels,
    ...(source.classes === undefined ? {} : { classes: source.classes }),
    describe: () => ({ format: "module", path, samples: source.length, labels: hasLabels }),
    async read(indices, options = {}): Promise<Batch> {
      if (options.augment !== undefined) {
        throw dataError("augment", "A data module does its own augmentation", path, "Leave --augment out.");
      }
      const chosen = Array.from(indices);
      const batch = await source.read(chosen);
      return checkBatch(batch, chosen, inputs, hasLabels, spec.classes, path);
    },
  };
}

async function importDefault(path: string): Promise<unknown> {
  try {
    const module = (await import(pathToFileURL(resolve(path)).href)) as { default?: unknown };
    if (module.default !== undefined) return module.default;
  } catch (error) {
    throw dataError(
      "module",
      `The data module fails to load: ${error instanceof Error ? error.message : String(error)}`,
      path,
    );
  }
  throw dataError("module", "The data module has no default export", path, "See docs/data.md.");
}

function isDataset(value: unknown): value is ModuleDataset {
  const candidate = value as Partial<ModuleDataset> | null;
  return (
    typeof candidate === "object" &&
    candidate !== null &&
    typeof candidate.read === "function" &&
    typeof candidate.length === "number"
  );
}

async function materialize(value: unknown, path: string, spec: DataSpec): Promise<ModuleDataset> {
  const iterable =
    typeof value === "object" &&
    value !== null &&
    (Symbol.asyncIterator in value || Symbol.iterator in value);
  if (!iterable) {
    throw dataError(
      "module",
      "The data module exports neither {length, read} nor batches to iterate over",
      path,
      "See docs/data.md.",
    );
  }
  return materializeBatches(value as AsyncIterable<ModuleBatch>, path, spec.samples);
}

function checkBatch(
  batch: ModuleBatch,
  indices: number[],
  inputs: readonly ModelInput[],
  hasLabels: boolean,
  classes: number | undefined,
  path: string,
): Batch {
  const tensors: Record<string, Tensor> = {};
  for (const input of inputs) tensors[input.name] = checkTensor(batch, input, indices, path);
  const checked: Batch = { size: indices.length, inputs: tensors };
  if (!hasLabels) return checked;
  const labels = Int32Array.from(batch.labels ?? [], Number);
  if (labels.length !== indices.length) {
    throw dataError("label-count", `A batch of ${indices.length} has ${labels.length} labels`, path);
  }
  const bad = labels.findIndex((label) => label < 0 || label >= (classes ?? 2 ** 31));
  if (bad >= 0) throw labelOutOfRange(labels[bad] as number, indices[bad] as number, classes, path);
  return { ...checked, labels };
}

function checkTensor(batch: ModuleBatch, input: ModelInput, indices: number[], path: string): Tensor {
  const inputs: Partial<ModuleBatch["inputs"]> = (batch as Partial<ModuleBatch> | undefined)?.inputs ?? {};
  const given = inputs[input.name];
  if (given === undefined) {
    throw dataError(
      "names",
      `The module gives ${Object.keys(inputs).join(", ") || "no inputs"} but not the model input "${input.name}"`,
      path,
      "Name each array after the model input it feeds.",
    );
  }
  const tensor = toTensor(given, input, path);
  checkInputShape(tensor.dims, input, `${path}, "${input.name}"`);
  if (tensor.dims[0] !== indices.length) {
    throw dataError("shape", `Asked for ${indices.length} samples, the module gave ${tensor.dims[0]}`, path);
  }
  if (input.dtype === "float32") {
    const values = given.data as Float32Array;
    checkFinite(values, elementCount(tensor.dims.slice(1)), indices, path);
  }
  return tensor;
}

const arrayTypes: Readonly<Record<string, DataType>> = {
  Float32Array: "float32",
  Float64Array: "float64",
  BigInt64Array: "int64",
  Int32Array: "int32",
  Uint8Array: "uint8",
  Int8Array: "int8",
};

function toTensor(
  given: Partial<{ data: ArrayBufferView; dims: readonly number[] }>,
  input: ModelInput,
  path: string,
): Tensor {
  const { data, dims } = given;
  try {
    if (!ArrayBuffer.isView(data) || !Array.isArray(dims))
      throw new Error("it is not {data: a typed array, dims: [samples, ...]}");
    const dtype = arrayTypes[data.constructor.name];
    if (dtype !== input.dtype) throw new Error(`it is ${dtype ?? "no typed array"}, not ${input.dtype}`);
    const { buffer, byteOffset, byteLength } = data;
    return tensorOfBytes(dtype, dims, new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength));
  } catch (error) {
    if (error instanceof UserError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw dataError("module", `The array for input "${input.name}" is wrong: ${reason}`, path);
  }
}
