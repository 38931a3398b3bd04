import { join } from "node:path";
import { dataError } from "../../errors.ts";
import { openBytes, startOf } from "../byte-source.ts";
import { joinTables } from "../tables/join-tables.ts";
import type { Table } from "../tables/table.ts";
import { listFolder, pickSplit } from "./class-folders.ts";
import { isSoundName } from "../sounds/wav.ts";
import { isImageName } from "./image-folder.ts";
import { isNpyName } from "./npy-folder.ts";
import { isTableName, openTable } from "./open-table.ts";

/** How names of files begin that belong to a part of the data, as Hugging Face's data sets have them. */
const prefixes = { train: ["train"], test: ["test", "validation", "val", "dev"] } as const;

/** Whether a folder holds tables that have names of parts, with one for `split`. */
export async function hasTablesOf(folder: string, split: "train" | "test"): Promise<boolean> {
  const { files, folders } = await listFolder(folder);
  const names = files.filter(isTableName);
  // Tables beside samples of another kind are no data of their own.
  if (folders.length > 0 || files.some((name) => isImageName(name) || isSoundName(name) || isNpyName(name)))
    return false;
  if (names.length < 2) return false;
  return prefixes[split].some((prefix) => names.some((name) => beginsWith(name, prefix)));
}

/**
 * The tables in a folder as one, those of `split` where their names tell; undefined where there are none.
 * Throws UserError data/split where there are only tables of the other part.
 */
export async function openTableFolder(root: string, split: "train" | "test"): Promise<Table | undefined> {
  const folder = await pickSplit(root, split);
  const names = namesOf((await listFolder(folder)).files.filter(isTableName), split, root);
  const tables: Table[] = [];
  for (const name of names) {
    const file = await openBytes(join(folder, name));
    const table = await openTable(file, await startOf(file));
    if (table !== undefined) tables.push(table);
  }
  const [first, ...others] = tables;
  return first === undefined ? undefined : joinTables([first, ...others], folder);
}

function namesOf(names: readonly string[], split: "train" | "test", root: string): readonly string[] {
  const inParts = Object.values(prefixes)
    .flat()
    .some((prefix) => names.some((name) => beginsWith(name, prefix)));
  // A single file is all of the data, whatever its name.
  if (!inParts || names.length === 1) return names;
  for (const prefix of prefixes[split]) {
    const own = names.filter((name) => beginsWith(name, prefix));
    if (own.length > 0) return own;
  }
  throw dataError(
    "split",
    `The folder holds no tables of the ${split} split, only ${names.slice(0, 8).join(", ")}`,
    root,
    "Choose the other with --split.",
  );
}

/** Whether a name is `prefix` with more behind a mark: train.csv, train-00000-of-00002.parquet. */
const beginsWith = (name: string, prefix: string): boolean =>
  name.toLowerCase().startsWith(prefix) && /^[-_.]/.test(name.slice(prefix.length));
