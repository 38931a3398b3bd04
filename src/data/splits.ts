import { stat } from "node:fs/promises";
import { findIdxImages } from "./loaders/idx.ts";
import { hasTablesOf } from "./loaders/table-folder.ts";
import { findSplitFolder } from "./loaders/class-folders.ts";

/** Whether the data at `path` come with a part of their own for `split` (IDX, folders, names of tables). */
export async function hasSplit(path: string, split: "train" | "test"): Promise<boolean> {
  const info = await stat(path).catch(() => undefined);
  if (info?.isDirectory() !== true) return false;
  if ((await findIdxImages(path, split)) !== undefined) return true;
  return (await findSplitFolder(path, split)) !== undefined || hasTablesOf(path, split);
}
