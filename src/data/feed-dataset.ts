import { basename } from "node:path";
import { dataError } from "../errors.ts";
import { elementCount, type Tensor, tensorOfBytes, viewAs } from "../tensor/tensor.ts";
import { checkFinite } from "./array-dataset.ts";
import { convertElements } from "./convert-elements.ts";
import type { Batch, Dataset } from "./dataset.ts";
import { checkLabels, countLabels } from "./labels.ts";
import { readAskedLabels } from "./labels-file.ts";
import { type FeedFile, tensorFor } from "./loaders/feed-folder.ts";
import type { ModelInput } from "./model-input.ts";
import { type Placement, placementOf, placeSamples, samplesPerRun } from "./place-samples.ts";
import type { DataSpec } from "./spec.ts";
import { namedValues } from "../named-values.ts";

/** How one input is fed by all files, and what shapes they have for it. */
interface FedInput {
  input: ModelInput;
  placement: Placement;
  shapes: Set<string>;
}

/**
 * A data set of files that each hold one full feed of the model: its inputs as the model takes them. Samples of one shape
 * are stacked where the batch is open; samples of differing shapes are fed one at a time. `own`: labels that come with them.
 */
export async function feedDataset(
  files: readonly FeedFile[],
  inputs: readonly ModelInput[],
  spec: DataSpec,
  own?: Int32Array,
): Promise<Dataset> {
  const fed = await lookAt(files, inputs);
  const differing = fed.filter(({ shapes }) => shapes.size > 1);
  const perRun = differing.length > 0 ? 1 : samplesPerRun(fed, spec.path);
  const labels = own ?? (await readAskedLabels(spec, files.length));
  if (labels !== undefined) checkLabels(labels, files.length, spec.classes, spec.path);
  return {
    name: basename(spec.path),
    length: files.length,
    hasLabels: labels !== undefined,
    ...(perRun === undefined ? {} : { samplesPerRun: perRun }),
    ...(labels === undefined ? {} : countLabels(labels)),
    describe: () => ({
      format: "feeds",
      path: spec.path,
      samples: files.length,
      labels: labels !== undefined,
      inputs: Object.fromEntries(fed.map(({ input, shapes }) => [input.name, [...shapes].slice(0, 8)])),
    }),
    async read(indices, options = {}): Promise<Batch> {
      if (options.augment !== undefined)
        throw dataError("augment", "Full feeds are not augmented", spec.path, "Leave --augment out.");
      const chosen = Array.from(indices);
      const feeds = await Promise.all(chosen.map((index) => readFeed(files[index] as FeedFile, inputs)));
      const batch: Batch = { size: chosen.length, inputs: {} };
      for (const { input, placement } of fed) {
        const samples = feeds.map((feed) => feed[input.name] as Tensor);
        batch.inputs[input.name] = stack(samples, input, placement);
      }
      if (labels !== undefined) batch.labels = Int32Array.from(chosen, (index) => labels[index] as number);
      return batch;
    },
  };
}

/** Reads every file once: how it feeds the inputs, and in which shapes. */
async function lookAt(files: readonly FeedFile[], inputs: readonly ModelInput[]): Promise<FedInput[]> {
  const fed = new Map<ModelInput, FedInput>();
  const shared = new Map<ModelInput, Uint8Array | undefined>();
  for (const file of files) {
    const feeds = await readFeed(file, inputs);
    for (const input of inputs) {
      const { dims, bytes } = feeds[input.name] as Tensor;
      const placement = placementOf([1, ...dims], input, file.path);
      const known = fed.get(input) ?? { input, placement, shapes: new Set<string>() };
      if (placement.kind === "whole") known.placement = placement;
      known.shapes.add(`[${dims.join(", ")}]`);
      const before = shared.has(input) ? shared.get(input) : bytes;
      const equal = before !== undefined && Buffer.compare(before, bytes) === 0;
      shared.set(input, equal ? bytes : undefined);
      fed.set(input, known);
    }
  }
  return [...fed.values()].map((known) =>
    known.placement.kind === "whole" && known.input.batchAxis === -1 && shared.get(known.input) !== undefined
      ? { ...known, placement: { kind: "shared" } }
      : known,
  );
}

async function readFeed(file: FeedFile, inputs: readonly ModelInput[]): Promise<Record<string, Tensor>> {
  const feeds = await file.read(inputs);
  const converted = namedValues<Tensor>();
  for (const input of inputs) {
    const where = `${file.path}, input "${input.name}"`;
    const tensor = convertElements(tensorFor(feeds, input, file.path), input.dtype, where);
    if (tensor.dtype === "float32")
      checkFinite(viewAs(tensor, "float32"), Math.max(1, elementCount(tensor.dims)), [0], where);
    converted[input.name] = tensor;
  }
  return converted;
}

/** Samples as one feed. */
function stack(samples: readonly Tensor[], input: ModelInput, placement: Placement): Tensor {
  const [first] = samples as readonly [Tensor];
  if (placement.kind !== "stacked" || samples.length === 1)
    return placeSamples({ ...first, dims: [1, ...first.dims] }, input, placement);
  const bytes = Buffer.concat(samples.map((sample) => sample.bytes));
  return placeSamples(tensorOfBytes(first.dtype, [samples.length, ...first.dims], bytes), input, placement);
}
