import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import path from "node:path";
import { explainWriteError, followLinks, openPending, type PendingFile } from "../atomic-file.ts";
import { modelError, usageError } from "../errors.ts";
import type { Model } from "../ir/model.ts";
import { dataFileName, removeUnusedData } from "./data-file.ts";
import {
  encodeParts,
  type Part,
  partLength,
  type Placement,
  protobufLimit,
  storedLength,
  weightsLimit,
} from "./encode.ts";
import { externalFilesOf } from "./external-data.ts";
import { writeData, writeParts } from "./write-parts.ts";

export interface StageOptions {
  /** Whether weights go into a file of their own: always, never, or (default) only when 2 GB would be exceeded. */
  externalData?: "auto" | "always" | "never";
  /** Name of that file, in the model's folder; default: one that its content gives. */
  dataFile?: string;
  /** Initializers of at least this many bytes go there. Default 1024. */
  threshold?: number;
  /** Bytes of weights from which "auto" uses a data file. Default: 64 MiB below protobuf's 2 GiB. */
  singleFileLimit?: number;
}

/** A model that is written but does not have its name yet. */
export interface StagedModel {
  /** Where it lies until `commit`; it can be loaded from there unless `dataFile` was given. */
  readonly path: string;
  /** Bytes of the model's file and of its data file, if it has one. */
  readonly bytes: number;
  /** The data file's path once it has its name. */
  readonly dataPath: string | undefined;
  /** Moves it to its name, replacing what was there; data files of models before it that nothing uses are removed. */
  commit(): Promise<void>;
  /** Removes what was written. Does nothing after `commit`. */
  discard(): Promise<void>;
}

/** Data in the external file starts at multiples of this, so that it can be mapped into memory. */
const alignment = 4096;

/**
 * Writes a model beside its destination, where it can be looked at before it gets its name. Without `dataFile` the data
 * file is named by its content, so that one move replaces a model together with its data: the one that was there and the
 * one that comes each find their own. Throws as `saveModel` does.
 */
export async function stageModel(
  model: Model,
  file: string,
  options: StageOptions = {},
): Promise<StagedModel> {
  const { dataFile } = options;
  if (dataFile !== undefined) requireBeside(dataFile, file);
  const target = await followLinks(file);
  const placement = planPlacement(model, options);
  const ownData = placement.size === 0 || dataFile === undefined ? [] : [besides(target, dataFile)];
  await refuseOverwritingSource(model, [target, ...ownData]);
  const files = new StagedFiles(target, dataFile);
  try {
    const location = placement.size === 0 ? "" : await files.writeData(model, placement);
    const parts = encodeParts(model, locate(placement, location));
    requireSize(parts, file);
    await files.writeModel(parts);
    return files;
  } catch (cause) {
    await files.discard();
    throw explainWriteError(cause, file);
  }
}

/** The one or two files of a model while they are written. */
class StagedFiles implements StagedModel {
  readonly #target: string;
  readonly #dataFile: string | undefined;
  readonly #pending: PendingFile[] = [];
  /** The data file under the name that its content gives, if it was not there before. */
  #fresh: string | undefined;
  #committed = false;
  dataPath: string | undefined;
  bytes = 0;

  constructor(target: string, dataFile: string | undefined) {
    this.#target = target;
    this.#dataFile = dataFile;
  }

  get path(): string {
    return this.#pending.at(-1)?.temporary ?? this.#target;
  }

  /** Writes the data file; returns its name. */
  async writeData({ graph }: Model, placement: Places): Promise<string> {
    const pending = await this.#open();
    const { digest, bytes } = await writeData(graph, placement, pending.handle);
    this.bytes += bytes;
    const name = this.#dataFile ?? dataFileName(path.basename(this.#target), digest);
    this.dataPath = besides(this.#target, name);
    if (this.#dataFile === undefined) {
      // A file of that name has this content, and a model that is there may be using it.
      if (!existsSync(this.dataPath)) this.#fresh = this.dataPath;
      await pending.commit(name);
    }
    return name;
  }

  async writeModel(parts: readonly Part[]): Promise<void> {
    const { handle } = await this.#open();
    this.bytes += await writeParts(parts, handle);
  }

  async #open(): Promise<PendingFile> {
    const pending = await openPending(this.#target);
    this.#pending.push(pending);
    return pending;
  }

  async commit(): Promise<void> {
    const [data, model = data] = this.#pending;
    if (this.#pending.length === 2 && this.#dataFile !== undefined) await data?.commit(this.#dataFile);
    await model?.commit();
    this.#committed = true;
    await removeUnusedData(this.#target);
  }

  async discard(): Promise<void> {
    if (this.#committed) return;
    for (const pending of this.#pending) await pending.discard();
    if (this.#fresh !== undefined) await rm(this.#fresh, { force: true });
  }
}

const besides = (target: string, name: string): string => path.join(path.dirname(target), name);

function requireBeside(dataFile: string, file: string): void {
  if (path.basename(dataFile) === dataFile && dataFile !== path.basename(file)) return;
  throw usageError(
    "data-file",
    "The data file must lie beside the model, under another name",
    dataFile,
    "Give a file name.",
  );
}

function requireSize(parts: readonly Part[], file: string): void {
  const total = parts.reduce((sum, part) => sum + partLength(part), 0);
  if (total <= protobufLimit) return;
  const what = `The model file would need ${total} bytes, and an ONNX file holds at most 2 GiB`;
  throw modelError("too-large", what, file, "Save with external data.");
}

/** Where initializers lie in the data file, by name. */
type Places = ReadonlyMap<string, { offset: number; length: number }>;

const locate = (places: Places, location: string): Placement =>
  new Map(Array.from(places, ([name, place]) => [name, { location, ...place }]));

/** Which initializers go into the data file, and where. */
function planPlacement(model: Model, options: StageOptions): Places {
  const mode = options.externalData ?? "auto";
  const placement = new Map<string, { offset: number; length: number }>();
  const sizes = [...model.graph.initializers].map(([name, tensor]) => ({
    name,
    tensor,
    length: storedLength(tensor),
  }));
  const total = sizes.reduce((sum, { length }) => sum + length, 0);
  const limit = options.singleFileLimit ?? weightsLimit;
  if (mode === "never" || (mode === "auto" && total < limit)) return placement;
  let end = 0;
  for (const { name, tensor, length } of sizes) {
    if (tensor.dtype === "string" || length < (options.threshold ?? 1024)) continue;
    const offset = Math.ceil(end / alignment) * alignment;
    placement.set(name, { offset, length });
    end = offset + length;
  }
  return placement;
}

async function refuseOverwritingSource(model: Model, targets: readonly string[]): Promise<void> {
  const sources = externalFilesOf(model);
  if (sources.size === 0) return;
  for (const target of targets) {
    const real = await followLinks(target);
    if (!sources.has(real)) continue;
    const what = "The model still reads its weights from the file that would be overwritten";
    throw usageError("overwrites-source", what, target, "Choose another path for the output.");
  }
}
