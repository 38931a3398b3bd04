import { stat } from "node:fs/promises";
import { extname } from "node:path";
import { dataError, type UserError } from "../errors.ts";
import type { Feed } from "./array-dataset.ts";
import { type ByteSource, fileBytes, openBytes, sizeOfFile, startOf, unreadable } from "./byte-source.ts";
import type { Dataset } from "./dataset.ts";
import { addressNotPath, foreignFile } from "./foreign-files.ts";
import type { ImageSource } from "./image.ts";
import { imageDataset } from "./image-dataset.ts";
import { readLabels } from "./labels.ts";
import { readAskedLabels } from "./labels-file.ts";
import { feedDataset } from "./feed-dataset.ts";
import { findFeeds } from "./loaders/feed-folder.ts";
import { findIdxImages, openIdx } from "./loaders/idx.ts";
import { isIdx } from "./loaders/idx-header.ts";
import { openImageFolder } from "./loaders/image-folder.ts";
import { openModule } from "./loaders/module.ts";
import { isNpy, openNpy } from "./loaders/npy.ts";
import { type NpzFile, openNpz } from "./loaders/npz.ts";
import { imageInputOf, type ModelInput } from "./model-input.ts";
import { labelArrays } from "./own-inputs.ts";
import { openArrays } from "./open-arrays.ts";
import type { DataSpec } from "./spec.ts";
import { batchAxisOf } from "./place-samples.ts";
import { checkInputNames, withSetInputs } from "./set-inputs.ts";
import { openTable } from "./loaders/open-table.ts";
import { tableDataset } from "./tables/table-dataset.ts";
import { openTargets } from "./targets.ts";
import { isGzip, isZip } from "./unpack.ts";
import { limitSamples } from "./subset.ts";

type Loader = (spec: DataSpec, inputs: readonly ModelInput[]) => Promise<Dataset>;

/** Modules are told by their ending, everything else by how it begins. */
const moduleEndings = new Set([".js", ".mjs"]);

/** Lists of indices are kept in memory. */
const mostSamples = 2 ** 28;

/**
 * Opens the data of `spec` as samples that feed `inputs`. Large files are read when samples are asked for.
 * Throws UserError data/* that names the file: unreadable, of another kind, empty, of the wrong shape or names, labels
 * out of range; NaN and Inf are found when a sample is read.
 */
export async function openDataset(spec: DataSpec, inputs: readonly ModelInput[]): Promise<Dataset> {
  const address = addressNotPath(spec.path);
  if (address !== undefined) throw address;
  const info = await stat(spec.path).catch((error: unknown) => {
    throw unreadable(spec.path, error);
  });
  const loader = info.isDirectory() ? openFolder : openFile;
  const dataset = await openUnset(loader, spec, inputs);
  if (dataset.length === 0) {
    throw dataError("empty", "The data set has no samples", spec.path, "Check the path and --split.");
  }
  if (dataset.length > mostSamples) {
    throw dataError(
      "too-many",
      `The data set claims ${dataset.length} samples`,
      spec.path,
      `Give at most ${mostSamples}.`,
    );
  }
  return spec.samples === undefined ? dataset : limitSamples(dataset, spec.samples);
}

/** The data for the inputs that are not set to a value, with those values beside them. */
async function openUnset(loader: Loader, spec: DataSpec, inputs: readonly ModelInput[]): Promise<Dataset> {
  const { set = {} } = spec;
  checkInputNames(Object.keys(set), inputs, "--set");
  const rest = inputs.filter(({ name }) => !Object.hasOwn(set, name));
  const dataset = await withTargets(await loader(spec, rest), spec, inputs);
  const fixed = dataset.samplesPerRun ?? fixedSamples(rest);
  const sized = fixed === undefined ? dataset : { ...dataset, samplesPerRun: fixed };
  return rest.length === inputs.length ? sized : withSetInputs(sized, inputs, set);
}

/** The data with the arrays that come with them: those of --targets, or of the .npz file that feed no input. */
async function withTargets(
  dataset: Dataset,
  spec: DataSpec,
  inputs: readonly ModelInput[],
): Promise<Dataset> {
  const { length } = dataset;
  if (spec.targets !== undefined) return { ...dataset, targets: await openTargets(spec.targets, length) };
  const path = spec.path.toLowerCase();
  if (dataset.targets !== undefined || !path.endsWith(".npz")) return dataset;
  const fed = [...inputs.map(({ name }) => name), ...(inputs.length === 1 ? ["arr_0"] : [])];
  return { ...dataset, targets: await openTargets(spec.path, length, fed) };
}

/** Samples per run of inputs whose batch dimension has one size. */
function fixedSamples(inputs: readonly ModelInput[]): number | undefined {
  const sizes = inputs.map((input) => input.shape[batchAxisOf(input) ?? -1]);
  return sizes.find((size) => typeof size === "number");
}

async function openFile(spec: DataSpec, inputs: readonly ModelInput[]): Promise<Dataset> {
  const { path } = spec;
  if (moduleEndings.has(extname(path).toLowerCase())) return openModule(path, spec, inputs);
  const raw = fileBytes(path, 0, await sizeOfFile(path));
  const packed = await startOf(raw);
  if (isZip(packed)) return openZipped(packed, spec, inputs);
  const file = isGzip(packed) ? await openBytes(path) : raw;
  if (await isNpy(file)) return openNpyDataset(file, spec, inputs);
  const start = await startOf(file);
  if (isIdx(start)) return openImages(await openIdx(path, spec), spec, inputs);
  const table = await openTable(file, start);
  if (table === undefined) throw foreignFile(path, start);
  return tableDataset(table, spec, inputs);
}

async function openZipped(
  start: Uint8Array,
  spec: DataSpec,
  inputs: readonly ModelInput[],
): Promise<Dataset> {
  const file = await openNpz(spec.path);
  if (file.names.length === 0) throw foreignFile(spec.path, start);
  return openNpzDataset(file, spec, inputs);
}

async function openFolder(spec: DataSpec, inputs: readonly ModelInput[]): Promise<Dataset> {
  const feeds = await findFeeds(spec.path);
  if (feeds !== undefined) return feedDataset(feeds, inputs, spec);
  const split = spec.split ?? "train";
  const images = await findIdxImages(spec.path, split);
  if (images !== undefined) return openImages(await openIdx(images, spec), spec, inputs);
  const other = await findIdxImages(spec.path, split === "train" ? "test" : "train");
  if (other !== undefined) {
    throw dataError(
      "split",
      `The folder holds no IDX images of the ${split} split`,
      spec.path,
      "Choose the other with --split.",
    );
  }
  return openImages(await openImageFolder(spec.path, spec), spec, inputs);
}

function openImages(source: ImageSource, spec: DataSpec, inputs: readonly ModelInput[]): Dataset {
  return imageDataset(source, spec, imageInputOf(inputs, spec.layout, spec.path));
}

async function openNpyDataset(
  file: ByteSource,
  spec: DataSpec,
  inputs: readonly ModelInput[],
): Promise<Dataset> {
  const [input] = inputs;
  if (input === undefined || inputs.length > 1) {
    throw dataError(
      "names",
      `An .npy file feeds a model with one input; this one has ${inputs.map(({ name }) => name).join(", ")}`,
      spec.path,
      "Write an .npz file with one array per input.",
    );
  }
  const array = await openNpy(file);
  return openArrays([{ input, array }], await readAskedLabels(spec, array.dims[0]), spec);
}

async function openNpzDataset(
  file: NpzFile,
  spec: DataSpec,
  inputs: readonly ModelInput[],
): Promise<Dataset> {
  const feeds: Feed[] = [];
  for (const input of inputs) {
    // numpy.savez calls an array that is given without a name arr_0.
    const name = [input.name, ...(inputs.length === 1 ? ["arr_0"] : [])].find((each) =>
      file.names.includes(each),
    );
    if (name === undefined) throw missingArray(file.names, input.name, spec.path);
    feeds.push({ input, array: await file.open(name) });
  }
  const samples = feeds[0]?.array.dims[0];
  const inner = labelArrays.find((name) => file.names.includes(name));
  const labels =
    spec.labels === undefined && inner !== undefined && samples !== undefined
      ? await readLabels(await file.open(inner), samples)
      : await readAskedLabels(spec, samples);
  return openArrays(feeds, labels, spec);
}

const missingArray = (names: readonly string[], input: string, where: string): UserError =>
  dataError(
    "names",
    `The file holds the arrays ${names.join(", ")} but none for the model input "${input}"`,
    where,
    "Name each array after the model input it feeds.",
  );
