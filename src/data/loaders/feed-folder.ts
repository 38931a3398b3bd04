import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { dataError } from "../../errors.ts";
import { decodeTensorFile } from "../../onnx/decode-tensor-file.ts";
import { type Tensor, tensorOfBytes } from "../../tensor/tensor.ts";
import { openBytes, unreadable } from "../byte-source.ts";
import type { ModelInput } from "../model-input.ts";
import { readWhole } from "./npy.ts";
import { openNpz } from "./npz.ts";
import { namedValues } from "../../named-values.ts";

/** A full feed of a model: one file of arrays, or a folder with a file per input. */
export interface FeedFile {
  path: string;
  read(inputs: readonly ModelInput[]): Promise<Record<string, Tensor>>;
}

const testSet = /^test_data_set_(\d+)$/;
const inputFile = /^input_(\d+)\.pb$/;

/** Whether a file of this name may be a feed, or a part of one. */
export const isFeedName = (name: string): boolean => inputFile.test(name) || name.endsWith(".npz");

/**
 * The feeds in a folder: ONNX test data sets (`test_data_set_0/input_0.pb`), or else .npz files with one array per model
 * input, in the order of their numbers or names. Undefined where there are none.
 */
export async function findFeeds(folder: string): Promise<FeedFile[] | undefined> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    throw unreadable(folder, error);
  });
  const names = entries.map(({ name }) => name);
  if (names.some((name) => inputFile.test(name))) return [tensorFeed(folder, names)];
  const sets = entries.filter((entry) => entry.isDirectory() && testSet.test(entry.name));
  if (sets.length > 0) {
    const paths = sets.map(({ name }) => name).sort((a, b) => numberIn(a, testSet) - numberIn(b, testSet));
    return Promise.all(
      paths.map(async (name) => tensorFeed(join(folder, name), await readdir(join(folder, name)))),
    );
  }
  const files = names.filter((name) => name.endsWith(".npz")).sort();
  return files.length === 0 ? undefined : files.map((name) => arrayFeed(join(folder, name)));
}

const numberIn = (name: string, pattern: RegExp): number => Number(pattern.exec(name)?.[1]);

/** Files are numbered in the order of the model's inputs; tensors that all have the names of inputs are told by those. */
function tensorFeed(path: string, names: readonly string[]): FeedFile {
  const files = names.filter((name) => inputFile.test(name));
  files.sort((a, b) => numberIn(a, inputFile) - numberIn(b, inputFile));
  return {
    path,
    async read(inputs) {
      const feeds = namedValues<Tensor>();
      const parts = files.map(async (name) =>
        decodeTensorFile(await readFile(join(path, name)), join(path, name)),
      );
      const tensors = await Promise.all(parts);
      const named = tensors.every(({ name }) => inputs.some((input) => input.name === name));
      for (const [index, { name, tensor }] of tensors.entries()) {
        const input = named ? name : inputs[index]?.name;
        if (input !== undefined) feeds[input] = tensor;
      }
      return feeds;
    },
  };
}

async function readFile(path: string): Promise<Uint8Array> {
  const file = await openBytes(path);
  return file.readRows([0], file.size);
}

function arrayFeed(path: string): FeedFile {
  return {
    path,
    async read(inputs) {
      const file = await openNpz(path);
      const feeds = namedValues<Tensor>();
      for (const { name } of inputs) {
        if (!file.names.includes(name)) continue;
        const array = await file.open(name);
        feeds[name] = tensorOfBytes(array.dtype, array.dims, await readWhole(array));
      }
      return feeds;
    },
  };
}

/** What a feed has for an input. Throws UserError data/names where that is nothing. */
export function tensorFor(feeds: Readonly<Record<string, Tensor>>, input: ModelInput, path: string): Tensor {
  const tensor = Object.hasOwn(feeds, input.name) ? feeds[input.name] : undefined;
  if (tensor !== undefined) return tensor;
  throw dataError(
    "names",
    `${basename(path)} holds ${Object.keys(feeds).join(", ") || "nothing"} but nothing for the model input "${input.name}"`,
    path,
    "Give one array or file per model input.",
  );
}
