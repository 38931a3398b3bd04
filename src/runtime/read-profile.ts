import { createReadStream } from "node:fs";
import { readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { createInterface } from "node:readline";
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
const isHolder = (opType: string | undefined): boolean => opType === "Loop" || opType === "If";

/** Kernel times of each run of a session that wrote its profile to a file of this prefix. */
export async function readProfile(prefix: string): Promise<KernelTime[][]> {
  const folder = dirname(prefix);
  const file = (await readdir(folder)).find((name) => name.startsWith(basename(prefix)));
  if (file === undefined) throw new InternalError(`ONNX Runtime wrote no profile ${prefix}`);
  const kernels: { start: number; kernel: KernelTime }[] = [];
  const ends: number[] = [];
  for await (const { cat, name, ts, dur = 0, args } of eventsOf(join(folder, file))) {
    if (cat === "Session" && name === "model_run") ends.push(ts + dur);
    if (cat !== "Node" || !name.endsWith(kernelSuffix) || isHolder(args?.op_name)) continue;
    const node = name.slice(0, -kernelSuffix.length);
    kernels.push({ start: ts, kernel: { node, opType: args?.op_name ?? "?", ms: dur / 1000 } });
  }
  ends.sort((a, b) => a - b);
  const runs = ends.map((): KernelTime[] => []);
  for (const { start, kernel } of kernels) runs[ends.findIndex((end) => start <= end)]?.push(kernel);
  return runs;
}

/** The entries of a profile, one at a time: the list can be far larger than what is read of it. Each is on its own line. */
async function* eventsOf(file: string): AsyncGenerator<TraceEvent> {
  const lines = createInterface({ input: createReadStream(file, "utf8"), crlfDelay: Infinity });
  for await (const line of lines)
    if (line.startsWith("{")) yield JSON.parse(line.replace(/,\s*$/, "")) as TraceEvent;
}
