import { dataError } from "../errors.ts";
import type { Dataset } from "./dataset.ts";
import { feedDataset } from "./feed-dataset.ts";
import { imageDataset } from "./image-dataset.ts";
import { labelArrays, readLabels } from "./labels.ts";
import { readAskedLabels } from "./labels-file.ts";
import { type ClassFiles, listClasses } from "./loaders/class-folders.ts";
import { findFeeds } from "./loaders/feed-folder.ts";
import { findIdxImages, openIdx } from "./loaders/idx.ts";
import { isImageName, openImageFolder } from "./loaders/image-folder.ts";
import { isNpyName, namedArrays, openSampleFiles, unnamedArrays } from "./loaders/npy-folder.ts";
import { openTableFolder } from "./loaders/table-folder.ts";
import { imageInputOf, type ModelInput } from "./model-input.ts";
import { fedArrays, openArrays, openNamedArrays } from "./open-arrays.ts";
import { openSoundFiles } from "./sounds/sound-folder.ts";
import { isSoundName } from "./sounds/wav.ts";
import type { SettledSpec } from "./spec.ts";
import { tableDataset } from "./tables/table-dataset.ts";
import { targetsOf } from "./targets.ts";

/** What files of samples in a folder may be, most telling first. */
const sampleKinds = [
  { what: "pictures", accepts: isImageName, open: openPictures },
  { what: "sounds", accepts: isSoundName, open: openSoundFiles },
] as const;

/** The samples of a folder, told by what lies in it. Throws UserError data/*. */
export async function openFolder(spec: SettledSpec, inputs: readonly ModelInput[]): Promise<Dataset> {
  const { path } = spec;
  const feeds = await findFeeds(path);
  if (feeds !== undefined) return feedDataset(feeds, inputs, spec);
  const split = spec.split ?? "train";
  const idx = await findIdx(path, split);
  if (idx !== undefined)
    return imageDataset(await openIdx(idx, spec), spec, imageInputOf(inputs, spec.layout, path));
  const filesOf = await listClasses(path, split);
  const found = sampleKinds.map(({ accepts }) => filesOf(accepts));
  const present = sampleKinds.filter((_, at) => (found[at]?.files.length ?? 0) > 0);
  const [kind, other] = present;
  if (kind !== undefined && other !== undefined)
    throw dataError(
      "mixed",
      `The folder holds ${kind.what} and ${other.what}`,
      path,
      "Give a folder with files of one kind.",
    );
  if (kind !== undefined) return kind.open(found[sampleKinds.indexOf(kind)] as ClassFiles, inputs, spec);
  const arrays = filesOf(isNpyName);
  if (arrays.files.length > 0) return openArrayFiles(arrays, inputs, spec);
  const table = await openTableFolder(path, split);
  if (table !== undefined) return tableDataset(table, spec, inputs);
  throw dataError(
    "empty",
    "The folder holds no samples that are read",
    path,
    "Give a folder with pictures, .wav, .npy, .npz or Parquet files, or with one folder of such per class.",
  );
}

async function findIdx(path: string, split: "train" | "test"): Promise<string | undefined> {
  const images = await findIdxImages(path, split);
  if (images !== undefined) return images;
  if ((await findIdxImages(path, split === "train" ? "test" : "train")) === undefined) return undefined;
  throw dataError(
    "split",
    `The folder holds no IDX images of the ${split} split`,
    path,
    "Choose the other with --split.",
  );
}

async function openPictures(
  found: ClassFiles,
  inputs: readonly ModelInput[],
  spec: SettledSpec,
): Promise<Dataset> {
  const source = await openImageFolder(found, spec);
  return imageDataset(source, spec, imageInputOf(inputs, spec.layout, spec.path));
}

/** .npy files: one array per model input, by their names; else one sample each, in folders of classes or not. */
async function openArrayFiles(
  found: ClassFiles,
  inputs: readonly ModelInput[],
  spec: SettledSpec,
): Promise<Dataset> {
  const { folder, files, classNames } = found;
  const named = namedArrays(files, folder);
  const byName = inputs.every(({ name }) => named.names.includes(name));
  if (byName && classNames === undefined) {
    const dataset = await openNamedArrays(named, inputs, spec);
    const targets = targetsOf(named, folder, dataset.length, [
      ...fedArrays(inputs, named.names),
      ...labelArrays,
    ]);
    return targets.names.length === 0 ? dataset : { ...dataset, targets };
  }
  const [input] = inputs;
  if (input === undefined || inputs.length > 1) throw unnamedArrays(inputs, files, folder);
  const own = labelArrays.find((name) => classNames === undefined && named.names.includes(name));
  const samples = files.filter((_, at) => own === undefined || named.names[at] !== own);
  const labels =
    spec.labels !== undefined
      ? await readAskedLabels(spec, samples.length)
      : own === undefined
        ? found.labels
        : await readLabels(await named.open(own), samples.length);
  const array = await openSampleFiles(samples, input);
  const dataset = Array.isArray(array)
    ? await feedDataset(array, inputs, spec, labels)
    : await openArrays([{ input, array }], labels, spec);
  const describe = { format: ".npy files", ...(classNames === undefined ? {} : { classNames }) };
  return { ...dataset, describe: () => ({ ...dataset.describe(), ...describe }) };
}
