import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import { isFeedName } from "./loaders/feed-folder.ts";
import { isIdxName, labelsBeside } from "./loaders/idx.ts";
import { isImageName } from "./loaders/image-folder.ts";
import { isTableName } from "./loaders/open-table.ts";
import { isNpyName } from "./loaders/npy-folder.ts";
import { isSoundName } from "./sounds/wav.ts";
import type { DataSpec } from "./spec.ts";

/** A file that data are read from, or a folder with the names of the files in it that are. */
export interface DataPath {
  use: "data" | "labels" | "targets";
  path: string;
  holds?: (name: string) => boolean;
}

/** Whether a file of this name in a folder of data may be read. */
const isSampleName = (name: string): boolean =>
  [isImageName, isIdxName, isFeedName, isSoundName, isNpyName, isTableName].some((accepts) => accepts(name));

/** What opening the data of `spec` reads, as far as that is known before. Paths may not exist. */
export async function dataPaths(spec: DataSpec): Promise<DataPath[]> {
  const { path, labels, targets } = spec;
  const found: DataPath[] = [{ use: "data", path, holds: isSampleName }];
  if (spec.preprocess !== undefined) found.push({ use: "data", path: spec.preprocess });
  if (spec.tokenizer !== undefined) found.push({ use: "data", path: spec.tokenizer });
  const images = spec.images ?? (isTableName(path) ? dirname(path) : undefined);
  if (images !== undefined) found.push({ use: "data", path: images, holds: isImageName });
  const isFile = (await stat(path).catch(() => undefined))?.isFile() === true;
  const beside = isFile && labels === undefined ? await labelsBeside(path) : undefined;
  if (labels !== undefined && labels !== "none") found.push({ use: "labels", path: labels });
  if (targets !== undefined) found.push({ use: "targets", path: targets });
  if (beside !== undefined) found.push({ use: "labels", path: beside });
  return found;
}
