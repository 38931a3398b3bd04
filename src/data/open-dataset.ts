import { stat } from "node:fs/promises";
import { extname } from "node:path";
import { dataError } from "../errors.ts";
import { tensorOfBytes, viewAs } from "../tensor/tensor.ts";
import { arrayDataset, type Feed, holdsImages } from "./array-dataset.ts";
import { arrayImages } from "./array-images.ts";
import { openBytes, unreadable } from "./byte-source.ts";
import { convertElements } from "./convert-elements.ts";
import type { Dataset } from "./dataset.ts";
import type { ImageSource } from "./image.ts";
import { imageDataset } from "./image-dataset.ts";
import { findIdxImages, openIdx, readIdxLabels } from "./loaders/idx.ts";
import { openImageFolder } from "./loaders/image-folder.ts";
import { openModule } from "./loaders/module.ts";
import { type NpyArray, openNpy } from "./loaders/npy.ts";
import { openNpz } from "./loaders/npz.ts";
import { imageInputOf, type ModelInput } from "./model-input.ts";
import type { DataSpec } from "./spec.ts";
import { batchAxisOf } from "./place-samples.ts";
import { checkInputNames, withSetInputs } from "./set-inputs.ts";
import { limitSamples } from "./subset.ts";

type Loader = (spec: DataSpec, inputs: readonly ModelInput[]) => Promise<Dataset>;

/** Loaders by file extension; folders and IDX files (which have none) are told apart by their content. */
const loaders: Readonly<Record<string, Loader>> = {
  ".npy": openNpyDataset,
  ".npz": openNpzDataset,
  ".js": (spec, inputs) => openModule(spec.path, spec, inputs),
  ".mjs": (spec, inputs) => openModule(spec.path, spec, inputs),
};

/**
 * Opens the data of `spec` as samples that feed `inputs`. Large files are read when samples are asked for.
 * Throws UserError data/* that names the file: unreadable, empty, of the wrong shape or names, labels out of
 * range; NaN and Inf are found when a sample is read.
 */
export async function openDataset(spec: DataSpec, inputs: readonly ModelInput[]): Promise<Dataset> {
  const info = await stat(spec.path).catch((error: unknown) => {
    throw unreadable(spec.path, error);
  });
  const loader = info.isDirectory()
    ? openFolder
    : (loaders[extname(spec.path).toLowerCase()] ?? openIdxDataset);
  const dataset = await openUnset(loader, spec, inputs);
  if (dataset.length === 0) {
    throw dataError("empty", "The data set has no samples", spec.path, "Check the path and --split.");
  }
  return spec.samples === undefined ? dataset : limitSamples(dataset, spec.samples);
}

/** The data for the inputs that are not set to a value, with those values beside them. */
async function openUnset(loader: Loader, spec: DataSpec, inputs: readonly ModelInput[]): Promise<Dataset> {
  const { set = {} } = spec;
  checkInputNames(Object.keys(set), inputs, "--set");
  const rest = inputs.filter(({ name }) => !Object.hasOwn(set, name));
  const dataset = await loader(spec, rest);
  const fixed = dataset.samplesPerRun ?? fixedSamples(rest);
  const sized = fixed === undefined ? dataset : { ...dataset, samplesPerRun: fixed };
  return rest.length === inputs.length ? sized : withSetInputs(sized, inputs, set);
}

/** Samples per run of inputs whose batch dimension has one size. */
function fixedSamples(inputs: readonly ModelInput[]): number | undefined {
  const sizes = inputs.map((input) => input.shape[batchAxisOf(input) ?? -1]);
  return sizes.find((size) => typeof size === "number");
}

async function openFolder(spec: DataSpec, inputs: readonly ModelInput[]): Promise<Dataset> {
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

async function openIdxDataset(spec: DataSpec, inputs: readonly ModelInput[]): Promise<Dataset> {
  return openImages(await openIdx(spec.path, spec), spec, inputs);
}

function openImages(source: ImageSource, spec: DataSpec, inputs: readonly ModelInput[]): Dataset {
  return imageDataset(source, spec, imageInputOf(inputs, spec.layout, spec.path));
}

async function openNpyDataset(spec: DataSpec, inputs: readonly ModelInput[]): Promise<Dataset> {
  const [input] = inputs;
  if (input === undefined || inputs.length > 1) {
    throw dataError(
      "names",
      `An .npy file feeds a model with one input; this one has ${inputs.map(({ name }) => name).join(", ")}`,
      spec.path,
      "Write an .npz file with one array per input.",
    );
  }
  const feeds = [{ input, array: await openNpy(await openBytes(spec.path)) }];
  return openFeeds(feeds, await readLabelsFile(spec), spec);
}

async function openNpzDataset(spec: DataSpec, inputs: readonly ModelInput[]): Promise<Dataset> {
  const arrays = await openNpz(spec.path);
  const labelled = ["labels", "label", "y", "targets"].find((name) => arrays.has(name));
  const inner = labelled === undefined ? undefined : await readLabels(arrays.get(labelled) as NpyArray);
  const feeds = inputs.map((input): Feed => {
    // numpy.savez calls an array that is given without a name arr_0.
    const array = arrays.get(input.name) ?? (inputs.length === 1 ? arrays.get("arr_0") : undefined);
    if (array !== undefined) return { input, array };
    throw dataError(
      "names",
      `The file holds the arrays ${[...arrays.keys()].join(", ")} but none for the model input "${input.name}"`,
      spec.path,
      "Name each array after the model input it feeds.",
    );
  });
  const labels = spec.labels === undefined ? inner : await readLabelsFile(spec);
  return openFeeds(feeds, labels, spec);
}

async function openFeeds(feeds: Feed[], labels: Int32Array | undefined, spec: DataSpec): Promise<Dataset> {
  const [feed] = feeds;
  const name = spec.path.split(/[\\/]/).at(-1) as string;
  if (feed !== undefined && holdsImages(feeds)) {
    const source = arrayImages(name, feed.array, labels, spec.path);
    return imageDataset(source, spec, imageInputOf([feed.input], spec.layout, spec.path));
  }
  if (spec.resize !== undefined || spec.crop !== undefined) {
    throw dataError(
      "resize",
      "--resize and --crop apply to images and to 8-bit image arrays",
      spec.path,
      "Save the array in the model's input shape.",
    );
  }
  return arrayDataset(name, feeds, labels, spec);
}

async function readLabelsFile(spec: DataSpec): Promise<Int32Array | undefined> {
  if (spec.labels === undefined || spec.labels === "none") return undefined;
  if (!spec.labels.endsWith(".npy")) return readIdxLabels(spec.labels);
  return readLabels(await openNpy(await openBytes(spec.labels)));
}

async function readLabels(array: NpyArray): Promise<Int32Array> {
  const [count = 0] = array.dims;
  const rows = await array.readRows(Array.from({ length: count }, (_, index) => index));
  const tensor = convertElements(tensorOfBytes(array.dtype, array.dims, rows), "int64", array.where);
  if (array.dims.length !== 1) {
    throw dataError(
      "labels",
      `Labels have one dimension, not the shape [${array.dims.join(", ")}]`,
      array.where,
    );
  }
  return Int32Array.from(viewAs(tensor, "int64"), Number);
}
