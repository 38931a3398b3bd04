import { resolve } from "node:path";
import { glob } from "tinyglobby";
import { exitCodes, usageError } from "../../errors.ts";
import { type JobResult, mergeResults, readResults, resultFiles, writeResults } from "../../zoo/index.ts";
import { messageOptions } from "./options.ts";
import type { ZooCommand, ZooTask } from "./zoo-command.ts";

export const reportTask: ZooCommand = {
  name: "zoo report",
  positional: { name: "run", describe: "Folder of a run" },
  describe: "Write the tables of a run anew: index.html, results.csv and results.sqlite",
  options: messageOptions,
  examples: [{ line: "efqat zoo report zoo-results/", describe: "then open zoo-results/index.html" }],
  async run({ positionals: [folder = "."], terminal }: ZooTask) {
    const results = await readResults(folder);
    await writeResults(resolve(folder), results);
    terminal.stdout.write(`${countsOf(results)}\n${resolve(folder, resultFiles.index)}\n`);
    return exitCodes.ok;
  },
};

export const mergeTask: ZooCommand = {
  name: "zoo merge",
  positional: { name: "folders", describe: "Pattern of the folders to put together, such as 'shards/*'" },
  describe: "Put the results of several folders (shards of one zoo) into one",
  options: {
    out: { group: "Zoo:", describe: "Folder of the results", required: true },
    ...messageOptions,
  },
  examples: [{ line: "efqat zoo merge 'shards/*' --out all/", describe: "after --shard 1/16 ... 16/16" }],
  async run({ positionals: [pattern = ""], options, terminal }: ZooTask) {
    const folders = (
      await glob([pattern], { onlyDirectories: true, expandDirectories: false, absolute: true })
    ).sort();
    if (folders.length === 0)
      throw usageError("merge", "No folder matches", pattern, "Give a pattern of folders of efqat zoo run.");
    const results = await mergeResults(folders, resolve(options.needText("out")));
    terminal.stdout.write(`${folders.length} folders: ${countsOf(results)}\n`);
    return exitCodes.ok;
  },
};

function countsOf(results: readonly JobResult[]): string {
  const failed = results.filter(({ status }) => status === "failed").length;
  return `${results.length} jobs, ${results.length - failed} done, ${failed} failed`;
}
