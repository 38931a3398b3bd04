import { dataError, type UserError } from "../errors.ts";
import type { Feed } from "./align-samples.ts";
import { arrayDataset, holdsImages } from "./array-dataset.ts";
import { arrayImages } from "./array-images.ts";
import type { ByteSource } from "./byte-source.ts";
import type { Dataset } from "./dataset.ts";
import { imageDataset } from "./image-dataset.ts";
import { labelArrays, readLabels } from "./labels.ts";
import { readAskedLabels } from "./labels-file.ts";
import { openNpy } from "./loaders/npy.ts";
import type { NpzFile } from "./loaders/npz.ts";
import { imageInputOf, type ModelInput } from "./model-input.ts";
import type { SettledSpec } from "./spec.ts";

/** Arrays as samples: 8-bit images are preprocessed, others are fed as they are. */
export async function openArrays(
  feeds: Feed[],
  labels: Int32Array | undefined,
  spec: SettledSpec,
): Promise<Dataset> {
  const [feed] = feeds;
  const name = spec.path.split(/[\\/]/).at(-1) as string;
  if (feed !== undefined && holdsImages(feeds)) {
    const source = arrayImages(name, feed.array, labels, spec.path);
    return imageDataset(source, spec, imageInputOf([feed.input], spec.layout, spec.path));
  }
  if (spec.resize !== undefined || spec.crop !== undefined || spec.pixels !== undefined) {
    throw dataError(
      "resize",
      `${spec.pixels === undefined ? "--resize and --crop apply" : "--preprocess applies"} to images and to 8-bit image arrays`,
      spec.path,
      "Save the array in the model's input shape.",
    );
  }
  return arrayDataset(name, feeds, labels, spec);
}

/** One .npy file, for a model with one input. */
export async function openNpyDataset(
  file: ByteSource,
  spec: SettledSpec,
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

/** Arrays by the names of the model's inputs, with labels beside them. Throws UserError data/names. */
export async function openNamedArrays(
  file: NpzFile,
  inputs: readonly ModelInput[],
  spec: SettledSpec,
): Promise<Dataset> {
  const feeds: Feed[] = [];
  for (const input of inputs) {
    const name = arrayFor(input, inputs, file.names);
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

/**
 * The array that feeds an input: that of its name. One input alone is fed by the one array that holds no labels, whatever its
 * name, or by that which numpy.savez was given without one and called arr_0.
 */
function arrayFor(
  { name }: ModelInput,
  inputs: readonly ModelInput[],
  names: readonly string[],
): string | undefined {
  if (names.includes(name)) return name;
  if (inputs.length > 1) return undefined;
  if (names.includes("arr_0")) return "arr_0";
  const samples = names.filter((each) => !labelArrays.includes(each));
  return samples.length === 1 ? samples[0] : undefined;
}

/** Those of some arrays that feed inputs. */
export const fedArrays = (inputs: readonly ModelInput[], names: readonly string[]): string[] =>
  inputs.flatMap((input) => arrayFor(input, inputs, names) ?? []);

const missingArray = (names: readonly string[], input: string, where: string): UserError =>
  dataError(
    "names",
    `The file holds the arrays ${names.join(", ")} but none for the model input "${input}"`,
    where,
    "Name each array after the model input it feeds.",
  );
