import { resolve } from "node:path";
import { exitCodes, type UserError, usageError } from "../../errors.ts";
import { printable } from "../../printable.ts";
import { formatBytes, formatSeconds } from "../../report/format.ts";
import {
  type Choices,
  earlierResult,
  expandJobs,
  type Job,
  type JobResult,
  meansOf,
  openStore,
  parseQueue,
  runQueued,
  parseShard,
  planZoo,
  type PlannedJob,
  readManifest,
  runZoo,
  shardOf,
  writeResults,
  type ZooOptions,
} from "../../zoo/index.ts";
import { jobModule } from "../job-module.ts";
import type { OptionReader } from "../../commands/option-reader.ts";
import { optimizeCommand } from "../../commands/optimize.ts";
import { quantizeCommand } from "../../commands/quantize.ts";
import { choiceOptions, jobOptions, messageOptions, outOption, queueOptions } from "./options.ts";
import { readQueue } from "./worker.ts";
import { createView } from "./view.ts";
import type { ZooCommand, ZooTask } from "./zoo-command.ts";

export const runTask: ZooCommand = {
  name: "zoo run",
  positional: { name: "zoo", describe: "zoo.yaml, a folder with models, or a pattern" },
  describe: "Work on every model of a zoo; what is done already is not done again",
  options: { ...outOption, ...choiceOptions, ...jobOptions, ...queueOptions, ...messageOptions },
  examples: [
    { line: "efqat zoo run zoo.yaml", describe: "all jobs of a file, two at a time on two processors" },
    { line: "efqat zoo run models/ --dry-run", describe: "what would run for the models of a folder" },
  ],
  run: runHere,
};

async function runHere(task: ZooTask): Promise<number> {
  const { jobs, out } = await readJobs(task);
  const { options, terminal } = task;
  const view = createView(terminal.stderr, { quiet: options.flag("quiet"), jobs: jobs.length });
  const zoo: ZooOptions = {
    out,
    module: jobModule(),
    jobs: options.number("jobs", { min: 1, max: 1024, integer: true }),
    memoryBytes: options.bytes("memory"),
    force: options.flag("force"),
    signal: terminal.signal,
    onEvent: view.show,
  };
  try {
    const planned = await planZoo(jobs, zoo);
    if (options.flag("dry-run")) {
      view.close();
      terminal.stdout.write(await describePlan(planned, zoo));
      return exitCodes.ok;
    }
    const { results, dead } = await runHow(planned, zoo, options);
    view.close();
    for (const { job, reason } of dead)
      terminal.stderr.write(`dead letter: ${printable(`${job}: ${reason}`)}\n`);
    await writeResults(out, results);
    terminal.stdout.write(describeResults(results, planned.length, out));
    if (results.length < planned.length) return exitCodes.interrupted;
    return results.some(({ status }) => status === "failed") ? exitCodes.findings : exitCodes.ok;
  } finally {
    view.close();
  }
}

/** Here, or by the workers of a queue. */
async function runHow(
  planned: readonly PlannedJob[],
  zoo: ZooOptions,
  options: OptionReader,
): Promise<{ results: JobResult[]; dead: { job: string; reason: string }[] }> {
  const places = readQueue(options);
  if (places === undefined) return { results: await runZoo(planned, zoo), dead: [] };
  const { out, signal, onEvent } = zoo;
  const store = await openStore(places.store);
  const { memoryBytes } = meansOf(zoo);
  return runQueued(planned, { out, signal, onEvent, memoryBytes, store, address: parseQueue(places.queue) });
}

/** The jobs that a command line asks for, and the folder of their results. */
export async function readJobs({
  positionals: [path = ""],
  options,
}: Pick<ZooTask, "positionals" | "options">): Promise<{ jobs: Job[]; out: string }> {
  const read = await readManifest(path);
  const known = {
    quantize: new Set(Object.keys(quantizeCommand.options)),
    optimize: new Set(Object.keys(optimizeCommand.options)),
  };
  const only = options.text("only");
  const all = expandJobs(read, { known, base: readChoices(options), only });
  const shard = options.text("shard");
  const jobs = shard === undefined ? all : shardOf(all, parseShard(shard));
  if (jobs.length === 0) throw nothingMatches(only, path);
  const out = options.text("out") ?? resolve(read.folder, read.manifest.out ?? "zoo-results");
  return { jobs, out: resolve(out) };
}

const nothingMatches = (only: string | undefined, path: string): UserError =>
  usageError("only", `No job of the zoo matches "${only ?? ""}"`, path, "Names are those of --dry-run.");

function readChoices(options: OptionReader): Choices {
  const data = options.text("data");
  const targets = options.words("target");
  const samples = options.text("samples");
  return {
    ...(data === undefined ? {} : { data: resolve(data) }),
    ...(targets === undefined ? {} : { targets }),
    ...(samples === undefined ? {} : { options: { samples } }),
  };
}

/** What would run, with the estimates, for people. */
async function describePlan(planned: readonly PlannedJob[], zoo: ZooOptions): Promise<string> {
  const means = meansOf(zoo);
  const lines: string[] = [];
  let seconds = 0;
  for (const each of planned) {
    const before = await earlierResult(each, { memoryBytes: means.memoryBytes, force: zoo.force ?? false });
    const { job, recipe, cause, memoryBytes } = each;
    const state =
      before !== undefined
        ? `has a result (${before.status})`
        : cause !== undefined
          ? `fails: ${cause.what}`
          : "";
    if (before === undefined && cause === undefined) seconds += each.seconds;
    const estimate = `about ${formatSeconds(each.seconds)}, ${formatBytes(memoryBytes)}`;
    lines.push(
      `${job.name}: ${job.command}, recipe ${recipe}, ${state === "" ? `would run, ${estimate}` : state}`,
    );
  }
  const total = `${planned.length} jobs, ${means.slots} at a time, about ${formatSeconds(seconds / means.slots)} in all`;
  return `${[...lines, total].join("\n")}\n`;
}

function describeResults(results: readonly JobResult[], total: number, out: string): string {
  const failed = results.filter(({ status }) => status === "failed");
  const lines = failed.map(
    ({ name, cause }) => `failed: ${name}: [${cause?.code ?? ""}] ${cause?.what ?? ""}`,
  );
  const done = `${results.length - failed.length} of ${total} jobs done, ${failed.length} failed, ${total - results.length} left`;
  return `${[...lines, done, `Results: ${out}`].join("\n")}\n`;
}
