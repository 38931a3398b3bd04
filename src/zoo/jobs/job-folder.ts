import { readdir, readFile, rm, stat } from "node:fs/promises";
import { join, relative } from "node:path";
import { isTemporaryOf, makeFolder, writeFileAtomically } from "../../atomic-file.ts";
import { hashFile, parseJson } from "./content-hash.ts";
import { type JobResult, jobResultSchema } from "./job.ts";

/** Files of a job's folder. */
export const jobFiles = {
  result: "result.json",
  model: "model.onnx",
  report: "report.json",
  page: "report.html",
  log: "log.txt",
  /** What an interrupted training run goes on from. */
  artifact: "model.onnx.artifact",
} as const;

/** The result in a job's folder; undefined where it has not ended, or where it is another's. */
export async function readResult(folder: string, key: string): Promise<JobResult | undefined> {
  const text = await readFile(join(folder, jobFiles.result), "utf8").catch(() => undefined);
  const result = text === undefined ? undefined : jobResultSchema.safeParse(parseJson(text)).data;
  return result?.key === key ? result : undefined;
}

/** Makes the result known: the last thing that happens to a job. */
export async function writeResult(folder: string, result: JobResult): Promise<void> {
  await makeFolder(folder);
  await writeText(join(folder, jobFiles.result), `${JSON.stringify(result, null, 2)}\n`);
}

export const writeText = (path: string, text: string): Promise<void> =>
  writeFileAtomically(path, async (handle) => handle.writeFile(text));

/** Removes all that a job wrote, or all but what training goes on from. */
export async function clearFolder(
  folder: string,
  { keepTraining }: { keepTraining: boolean },
): Promise<void> {
  for (const name of await readdir(folder).catch(() => []))
    if (!keepTraining || !name.startsWith(jobFiles.artifact))
      await rm(join(folder, name), { recursive: true, force: true });
}

/** Removes temporary files that ended processes left in a job's folder. */
export async function sweepFolder(folder: string): Promise<void> {
  const written = Object.values(jobFiles);
  for (const name of await readdir(folder).catch(() => []))
    if (written.some((file) => isTemporaryOf(name, file)) || /^\.model\.onnx.*\.tmp$/.test(name))
      await rm(join(folder, name), { recursive: true, force: true });
}

/** Files that are results, with their hashes; paths count from `out`. */
export async function listOutputs(folder: string, out: string): Promise<JobResult["outputs"]> {
  const outputs: JobResult["outputs"] = [];
  for (const name of (await readdir(folder).catch(() => [])).sort()) {
    const path = join(folder, name);
    const stats = await stat(path);
    if (!stats.isFile() || name.startsWith(".") || name === jobFiles.result) continue;
    outputs.push({ path: relative(out, path), bytes: stats.size, sha256: await hashFile(path) });
  }
  return outputs;
}
