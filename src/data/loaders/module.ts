import { dataError, UserError } from "../../errors.ts";
import type { DataType } from "../../tensor/data-type.ts";
import { elementCount, type Tensor, tensorOfBytes, viewAs } from "../../tensor/tensor.ts";
import { checkFinite } from "../array-dataset.ts";
import type { Batch, Dataset } from "../dataset.ts";
import { labelOutOfRange, toLabels } from "../labels.ts";
import type { ModelInput } from "../model-input.ts";
import { type Placement, placementOf, placeSamples, samplesPerRun } from "../place-samples.ts";
import type { DataSpec } from "../spec.ts";
import type { ModuleBatch } from "./module-batches.ts";
import { ModuleHost } from "./module-host.ts";
import { namedValues } from "../../named-values.ts";

/** Seconds without a sign of life after which a module is given up. */
const defaultPatience = 15;
/** Bytes that iterated batches may take in memory. */
const iterationLimit = 2 ** 30;

/**
 * Opens a JavaScript module: its default export is {length, read(indices)}, an (async) iterable of batches, or
 * a function of (spec, inputs) that gives either. Iterated batches are kept in memory. The module is code and
 * runs with the caller's rights, in a thread of its own: one that never ends is an error.
 */
export async function openModule(
  path: string,
  spec: DataSpec,
  inputs: readonly ModelInput[],
): Promise<Dataset> {
  if (spec.labels !== undefined && spec.labels !== "none") {
    const hint = "Give them as labels of its batches; --labels none ignores those.";
    throw dataError("labels", "A data module brings its own labels", path, hint);
  }
  const bytes = Math.min(iterationLimit, Math.floor(process.availableMemory() / 2));
  const { opened, host } = await ModuleHost.open(
    { path, spec, inputs, bytes },
    spec.timeout ?? defaultPatience,
  );
  const { length, classes, bytesInMemory } = opened;
  const placed: Placed[] = [];
  const first = length > 0 ? await host.read([0]) : undefined;
  const hasLabels = spec.labels !== "none" && first?.labels !== undefined;
  if (first !== undefined) placed.push(...inputs.map((input) => placeInput(first, input, path)));
  const perRun = opened.samplesPerRun ?? samplesPerRun(placed, path);
  return {
    name: path.split(/[\\/]/).at(-1) as string,
    length,
    hasLabels,
    ...(perRun === undefined ? {} : { samplesPerRun: perRun }),
    ...(classes === undefined ? {} : { classes }),
    ...(bytesInMemory === undefined ? {} : { bytesInMemory }),
    describe: () => ({ format: "module", path, samples: length, labels: hasLabels }),
    async read(indices, options = {}): Promise<Batch> {
      if (options.augment !== undefined) {
        throw dataError("augment", "A data module does its own augmentation", path, "Leave --augment out.");
      }
      const chosen = Array.from(indices);
      return checkBatch(await host.read(chosen), chosen, placed, hasLabels, spec.classes, path);
    },
  };
}

/** An input, and how samples become it. */
interface Placed {
  input: ModelInput;
  placement: Placement;
}

function placeInput(batch: ModuleBatch, input: ModelInput, path: string): Placed {
  const { dims } = readTensor(batch, input, path);
  return { input, placement: placementOf(dims, input, `${path}, "${input.name}"`) };
}

function checkBatch(
  batch: ModuleBatch,
  indices: number[],
  placed: readonly Placed[],
  hasLabels: boolean,
  classes: number | undefined,
  path: string,
): Batch {
  const tensors = namedValues<Tensor>();
  for (const feed of placed) tensors[feed.input.name] = checkTensor(batch, feed, indices, path);
  const checked: Batch = { size: indices.length, inputs: tensors };
  if (!hasLabels) return checked;
  const labels = toLabels(batch.labels ?? [], path);
  if (labels.length !== indices.length) {
    throw dataError("label-count", `A batch of ${indices.length} has ${labels.length} labels`, path);
  }
  const bad = labels.findIndex((label) => label < 0 || label >= (classes ?? 2 ** 31));
  if (bad >= 0) throw labelOutOfRange(labels[bad] as number, indices[bad] as number, classes, path);
  return { ...checked, labels };
}

function readTensor(batch: ModuleBatch, input: ModelInput, path: string): Tensor {
  const inputs: Partial<ModuleBatch["inputs"]> = (batch as Partial<ModuleBatch> | undefined)?.inputs ?? {};
  const given = Object.hasOwn(inputs, input.name) ? inputs[input.name] : undefined;
  if (given === undefined) {
    throw dataError(
      "names",
      `The module gives ${Object.keys(inputs).join(", ") || "no inputs"} but not the model input "${input.name}"`,
      path,
      "Name each array after the model input it feeds.",
    );
  }
  return toTensor(given, input, path);
}

function checkTensor(
  batch: ModuleBatch,
  { input, placement }: Placed,
  indices: number[],
  path: string,
): Tensor {
  const tensor = readTensor(batch, input, path);
  placementOf(tensor.dims, input, `${path}, "${input.name}"`);
  if (tensor.dims[0] !== indices.length) {
    throw dataError("shape", `Asked for ${indices.length} samples, the module gave ${tensor.dims[0]}`, path);
  }
  if (input.dtype === "float32") {
    const values = viewAs(tensor, "float32");
    checkFinite(values, elementCount(tensor.dims.slice(1)), indices, path);
  }
  return placeSamples(tensor, input, placement);
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
