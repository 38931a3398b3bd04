import { stat } from "node:fs/promises";
import { extname } from "node:path";
import { dataError } from "../errors.ts";
import { isFloat } from "../tensor/data-type.ts";
import { fileBytes, openBytes, sizeOfFile, startOf } from "./byte-source.ts";
import { listClasses } from "./loaders/class-folders.ts";
import { findFeeds } from "./loaders/feed-folder.ts";
import { findIdxImages } from "./loaders/idx.ts";
import { isImageName } from "./loaders/image-folder.ts";
import { isNpy, type NpyArray, openNpy } from "./loaders/npy.ts";
import { isNpyName } from "./loaders/npy-folder.ts";
import { openNpz } from "./loaders/npz.ts";
import { openTable } from "./loaders/open-table.ts";
import { openTableFolder } from "./loaders/table-folder.ts";
import { labelArrays } from "./labels.ts";
import type { ModelInput } from "./model-input.ts";
import { isWav } from "./sounds/wav-header.ts";
import { isSoundName } from "./sounds/wav.ts";
import type { DataSpec } from "./spec.ts";
import { holdsNumbers } from "./tables/cell-numbers.ts";
import { findLabelColumn } from "./tables/column-labels.ts";
import type { Table } from "./tables/table.ts";
import { holdsImage } from "./tables/image-column.ts";
import { isGzip, isZip } from "./unpack.ts";

/** An input that takes pictures of any size, one at a time. */
const picture: ModelInput = { name: "image", dtype: "uint8", shape: [1, 3, undefined, undefined] };

/** An input that takes sounds of any length, one at a time, with their channels. */
const sound: ModelInput = { name: "sound", dtype: "float32", shape: ["samples", undefined, undefined] };

/**
 * Inputs that data would feed as they are, to look at them without a model: pictures, or arrays and columns by their names.
 * Throws UserError data/no-model where only a model tells.
 */
export async function ownInputs(spec: DataSpec): Promise<ModelInput[]> {
  const { path } = spec;
  const info = await stat(path).catch(() => undefined);
  // What is no file is named when the data are opened.
  if (info === undefined) return [picture];
  if (info.isDirectory()) return folderInputs(spec);
  if ([".js", ".mjs"].includes(extname(path).toLowerCase()))
    throw needsModel("A JavaScript module is asked for a model's inputs", path);
  const raw = fileBytes(path, 0, await sizeOfFile(path));
  const packed = await startOf(raw);
  if (isZip(packed)) return npzInputs(path);
  const file = isGzip(packed) ? await openBytes(path) : raw;
  if (await isNpy(file)) return [arrayInput("array", await openNpy(file))];
  const start = await startOf(file);
  if (isWav(start)) return [sound];
  const table = await openTable(file, start);
  return table === undefined ? [picture] : tableInputs(table, spec);
}

/** What a folder's samples feed as they are, told by the files in it. */
async function folderInputs({ path, split = "train", ...spec }: DataSpec): Promise<ModelInput[]> {
  if ((await findFeeds(path)) !== undefined)
    throw needsModel("Full feeds are files that the model names", path);
  if ((await findIdxImages(path, split)) !== undefined) return [picture];
  const filesOf = await listClasses(path, split);
  const holds = (accepts: (name: string) => boolean): boolean => filesOf(accepts).files.length > 0;
  if (holds(isImageName)) return [picture];
  if (holds(isSoundName)) return [sound];
  if (holds(isNpyName))
    throw needsModel("Arrays are one per input or one per sample, which the model's inputs tell", path);
  const table = await openTableFolder(path, split);
  return table === undefined ? [picture] : tableInputs(table, { path, ...spec });
}

async function tableInputs(table: Table, spec: DataSpec): Promise<ModelInput[]> {
  if (table.length === 0) return [picture];
  const label = spec.columns?.["label"]?.[0] ?? findLabelColumn(table.columns);
  const columns = table.columns.filter((column) => column !== label);
  const cells = await table.read([0], columns);
  if (cells.some(([cell]) => holdsImage(cell, isImageName))) return [picture];
  return columns
    .filter((_, at) => holdsNumbers(cells[at]?.[0]))
    .map((name): ModelInput => {
      const [cell] = cells[columns.indexOf(name)] ?? [];
      const list = Array.isArray(cell) || ArrayBuffer.isView(cell) || /[\s[]/.test(String(cell).trim());
      return { name, dtype: "float32", shape: list ? ["samples", undefined] : ["samples"] };
    });
}

async function npzInputs(path: string): Promise<ModelInput[]> {
  const file = await openNpz(path);
  const names = file.names.filter((name) => !labelArrays.includes(name));
  return Promise.all(names.map(async (name) => arrayInput(name, await file.open(name))));
}

/** An input of an array's own type and shape; 8-bit pictures are taken for such. */
function arrayInput(name: string, { dtype, dims }: NpyArray): ModelInput {
  if (dtype === "uint8" && dims.length === 4 && [dims[1], dims[3]].some((dim) => dim === 1 || dim === 3))
    return { name, dtype, shape: ["samples", ...dims.slice(1)] };
  return { name, dtype: isFloat(dtype) ? "float32" : dtype, shape: ["samples", ...dims.slice(1)] };
}

const needsModel = (what: string, path: string): Error =>
  dataError("no-model", what, path, "Give the model, too: efqat data PATH MODEL.");
