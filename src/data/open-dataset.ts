import { stat } from "node:fs/promises";
import { extname } from "node:path";
import { dataError } from "../errors.ts";
import { fileBytes, openBytes, sizeOfFile, startOf, unreadable } from "./byte-source.ts";
import type { Dataset } from "./dataset.ts";
import { addressNotPath, foreignFile } from "./foreign-files.ts";
import { imageDataset } from "./image-dataset.ts";
import { openIdx } from "./loaders/idx.ts";
import { isIdx } from "./loaders/idx-header.ts";
import { openModule } from "./loaders/module.ts";
import { isNpy } from "./loaders/npy.ts";
import { openNpz } from "./loaders/npz.ts";
import { openTable } from "./loaders/open-table.ts";
import { imageInputOf, type ModelInput } from "./model-input.ts";
import { fedArrays, openNamedArrays, openNpyDataset } from "./open-arrays.ts";
import { openFolder } from "./open-folder.ts";
import { batchAxisOf } from "./place-samples.ts";
import { settleSpec } from "./preprocess/settle-spec.ts";
import { checkInputNames, withSetInputs } from "./set-inputs.ts";
import { openSoundFiles } from "./sounds/sound-folder.ts";
import { isWav } from "./sounds/wav-header.ts";
import type { DataSpec, SettledSpec } from "./spec.ts";
import { limitSamples } from "./subset.ts";
import { tableDataset } from "./tables/table-dataset.ts";
import { openTargets } from "./targets.ts";
import { isGzip, isZip } from "./unpack.ts";

type Loader = (spec: SettledSpec, inputs: readonly ModelInput[]) => Promise<Dataset>;

/** Modules are told by their ending, everything else by how it begins. */
const moduleEndings = new Set([".js", ".mjs"]);

/** Lists of indices are kept in memory. */
const mostSamples = 2 ** 28;

/**
 * Opens the data that are `given` as samples that feed `inputs`. Large files are read when samples are asked for.
 * Throws UserError data/* that names the file: unreadable, of another kind, empty, of the wrong shape or names, labels
 * out of range; NaN and Inf are found when a sample is read.
 */
export async function openDataset(given: DataSpec, inputs: readonly ModelInput[]): Promise<Dataset> {
  const address = addressNotPath(given.path);
  if (address !== undefined) throw address;
  const spec = await settleSpec(given);
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
async function openUnset(loader: Loader, spec: SettledSpec, inputs: readonly ModelInput[]): Promise<Dataset> {
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
  const fed = (names: readonly string[]): string[] => fedArrays(inputs, names);
  return { ...dataset, targets: await openTargets(spec.path, length, fed) };
}

/** Samples per run of inputs whose batch dimension has one size. */
function fixedSamples(inputs: readonly ModelInput[]): number | undefined {
  const sizes = inputs.map((input) => input.shape[batchAxisOf(input) ?? -1]);
  return sizes.find((size) => typeof size === "number");
}

async function openFile(spec: SettledSpec, inputs: readonly ModelInput[]): Promise<Dataset> {
  const { path } = spec;
  if (moduleEndings.has(extname(path).toLowerCase())) return openModule(path, spec, inputs);
  const raw = fileBytes(path, 0, await sizeOfFile(path));
  const packed = await startOf(raw);
  if (isZip(packed)) return openZipped(packed, spec, inputs);
  const file = isGzip(packed) ? await openBytes(path) : raw;
  if (await isNpy(file)) return openNpyDataset(file, spec, inputs);
  const start = await startOf(file);
  if (isIdx(start))
    return imageDataset(await openIdx(path, spec), spec, imageInputOf(inputs, spec.layout, path));
  if (isWav(start)) {
    const found = { folder: path, files: [path], labels: undefined, classNames: undefined };
    return openSoundFiles(found, inputs, spec);
  }
  const table = await openTable(file, start);
  if (table === undefined) throw foreignFile(path, start);
  return tableDataset(table, spec, inputs);
}

async function openZipped(
  start: Uint8Array,
  spec: SettledSpec,
  inputs: readonly ModelInput[],
): Promise<Dataset> {
  const file = await openNpz(spec.path);
  if (file.names.length === 0) throw foreignFile(spec.path, start);
  return openNamedArrays(file, inputs, spec);
}
