import { createReadStream, existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { InternalError } from "../errors.ts";
import type { Graph, Model } from "../ir/model.ts";
import { loadModel } from "../onnx/index.ts";
import { kernelOwners, type KernelOwners } from "./kernel-owners.ts";
import { fitsOneMessage } from "./open-model.ts";
import type { SessionOptions } from "./session.ts";

/** One node's kernel in one run, as ONNX Runtime's profiler saw it. */
export interface KernelTime {
  /** Name of the node in the optimized graph. */
  kernel: string;
  /** Name of the node of the source graph that it was made for. */
  node: string;
  opType: string;
  ms: number;
  /** The execution provider that it ran on, by its short name: "cpu", "cuda", ... */
  provider: string;
}

const files = { profile: "profile", optimized: "optimized.onnx" } as const;

/** Options of a session on a graph that is to leave in a folder what `readProfile` reads. */
export const profiledIn = (
  folder: string,
  model: Model,
): Pick<SessionOptions, "profilePrefix" | "optimizedModelPath"> => ({
  profilePrefix: join(folder, files.profile),
  // ONNX Runtime writes one protobuf message.
  ...(fitsOneMessage(model) ? { optimizedModelPath: join(folder, files.optimized) } : {}),
});

/** What is read of an entry of the profile, in the Trace Event Format; times in microseconds. */
interface TraceEvent {
  cat?: string;
  name: string;
  ts: number;
  dur?: number;
  args?: { op_name?: string; provider?: string };
}

const kernelSuffix = "_kernel_time";

/** Its time is that of the nodes it holds, which are listed themselves. */
const isHolder = (opType: string | undefined): boolean => opType === "Loop" || opType === "If";

/** Kernel times of each run of a session on `source` that was opened with `profiledIn` this folder. */
export async function readProfile(folder: string, source: Graph): Promise<KernelTime[][]> {
  const file = (await readdir(folder)).find((name) => name.startsWith(files.profile));
  if (file === undefined) throw new InternalError(`ONNX Runtime wrote no profile to ${folder}`);
  const optimized = join(folder, files.optimized);
  const owners = kernelOwners(source, existsSync(optimized) ? (await loadModel(optimized)).graph : source);
  const kernels: { start: number; time: Omit<KernelTime, "node"> }[] = [];
  const ends: number[] = [];
  for await (const { cat, name, ts, dur = 0, args } of eventsOf(join(folder, file))) {
    if (cat === "Session" && name === "model_run") ends.push(ts + dur);
    if (cat !== "Node" || !name.endsWith(kernelSuffix) || isHolder(args?.op_name)) continue;
    const kernel = name.slice(0, -kernelSuffix.length);
    const provider = shortName(args?.provider);
    kernels.push({ start: ts, time: { kernel, opType: args?.op_name ?? "?", ms: dur / 1000, provider } });
  }
  ends.sort((a, b) => a - b);
  kernels.sort((a, b) => a.start - b.start);
  const runs = ends.map((): Omit<KernelTime, "node">[] => []);
  for (const { start, time } of kernels) runs[ends.findIndex((end) => start <= end)]?.push(time);
  return runs.map((run) => withOwners(run, owners));
}

/** "CUDAExecutionProvider" as it is asked for. */
const shortName = (provider = ""): string => provider.replace(/ExecutionProvider$/, "").toLowerCase();

/** The kernels of one run, in its order, with the nodes that they were made for. */
function withOwners(
  run: readonly Omit<KernelTime, "node">[],
  { named, nameless }: KernelOwners,
): KernelTime[] {
  const seen = new Map<string, number>();
  return run.map((time) => {
    const { kernel, opType } = time;
    const owner = named.get(kernel);
    if (owner !== undefined) return { ...time, node: owner };
    const count = seen.get(opType) ?? 0;
    seen.set(opType, count + 1);
    return { ...time, node: nameless.get(opType)?.[count] ?? kernel };
  });
}

/** The entries of a profile, one at a time: the list can be far larger than what is read of it. Each is on its own line. */
async function* eventsOf(file: string): AsyncGenerator<TraceEvent> {
  const lines = createInterface({ input: createReadStream(file, "utf8"), crlfDelay: Infinity });
  for await (const line of lines)
    if (line.startsWith("{")) yield JSON.parse(line.replace(/,\s*$/, "")) as TraceEvent;
}
