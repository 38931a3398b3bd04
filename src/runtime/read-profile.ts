import { readdir, readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { InternalError } from "../errors.ts";

/** One node's kernel in one run, as ONNX Runtime's profiler saw it. */
export interface KernelTime {
  /** Name of the node in the optimized graph; often that of the node it was made of. */
  node: string;
  opType: string;
  ms: number;
}

/** What is read of an entry of the profile, in the Trace Event Format; times in microseconds. */
interface TraceEvent {
  cat?: string;
  name: string;
  ts: number;
  dur?: number;
  args?: { op_name?: string };
}

const kernelSuffix = "_kernel_time";

/** Its time is that of the nodes it holds, which are listed themselves. */
const isHolder = (opType: string | undefined): boolean => opType === "Loop";

/** Kernel times of each run of a session that wrote its profile to a file of this prefix. */
export async function readProfile(prefix: string): Promise<KernelTime[][]> {
  const folder = dirname(prefix);
  const file = (await readdir(folder)).find((name) => name.startsWith(basename(prefix)));
  if (file === undefined) throw new InternalError(`ONNX Runtime wrote no profile ${prefix}`);
  const events = JSON.parse(await readFile(join(folder, file), "utf8")) as TraceEvent[];
  const ends = events
    .filter(({ cat, name }) => cat === "Session" && name === "model_run")
    .map(({ ts, dur = 0 }) => ts + dur)
    .sort((a, b) => a - b);
  const runs = ends.map((): KernelTime[] => []);
  for (const { cat, name, ts, dur = 0, args } of events) {
    if (cat !== "Node" || !name.endsWith(kernelSuffix) || isHolder(args?.op_name)) continue;
    const run = runs[ends.findIndex((end) => ts <= end)];
    run?.push({ node: name.slice(0, -kernelSuffix.length), opType: args?.op_name ?? "?", ms: dur / 1000 });
  }
  return runs;
}
