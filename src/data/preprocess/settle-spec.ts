import { readFile } from "node:fs/promises";
import { dataError, type UserError } from "../../errors.ts";
import { sizeOfFile } from "../byte-source.ts";
import type { DataSpec, SettledSpec } from "../spec.ts";
import { type Configuration, isConfiguration, type Preprocessing } from "./configuration.ts";
import { readTimm, timmConfiguration } from "./timm.ts";
import { readTransformers } from "./transformers.ts";

/** Files of preprocessing have a few hundred bytes; some carry tables of colours or filters. */
const largestFile = 2 ** 24;

/**
 * A specification with what its file of preprocessing says: preprocessor_config.json of Transformers or config.json of timm.
 * What the specification says itself stays. Throws UserError data/preprocess.
 */
export async function settleSpec(spec: DataSpec): Promise<SettledSpec> {
  if (spec.preprocess === undefined) return spec;
  const { fields, pixels, sound } = readConfiguration(await readJson(spec.preprocess), spec.preprocess);
  const settled: SettledSpec = { ...fields, ...spec };
  if (pixels !== undefined) settled.pixels = pixels;
  if (sound !== undefined) settled.sound = sound;
  // The limit goes with the size that the file names.
  if (pixels?.longest !== undefined && spec.resize !== undefined) {
    const { longest: _, ...rest } = pixels;
    settled.pixels = rest;
  }
  return settled;
}

function readConfiguration(file: Configuration, path: string): Preprocessing {
  const timm = timmConfiguration(file);
  if (timm !== undefined) return readTimm(timm, path);
  return readTransformers(file, path);
}

async function readJson(path: string): Promise<Configuration> {
  if ((await sizeOfFile(path)) > largestFile) throw noConfiguration("it is too large", path);
  const text = await readFile(path, "utf8");
  try {
    const value: unknown = JSON.parse(text);
    if (isConfiguration(value)) return value;
  } catch (error) {
    throw noConfiguration(error instanceof Error ? error.message : String(error), path);
  }
  throw noConfiguration("it is no JSON object", path);
}

const noConfiguration = (why: string, path: string): UserError =>
  dataError(
    "preprocess",
    `The file of preprocessing cannot be read: ${why}`,
    path,
    "Give the preprocessor_config.json of a Transformers model, or the config.json of a timm model.",
  );
