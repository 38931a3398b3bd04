import { basename, dirname, join, relative } from "node:path";
import { z } from "zod";
import { fileOptions } from "../jobs/file-options.ts";
import type { PlannedJob } from "../jobs/plan-job.ts";
import { insideOf } from "../jobs/inside-of.ts";
import { filesUnder, putFiles, treeSchema } from "../store/transfer.ts";
import type { Store } from "../store/store.ts";

const text = z.string();

/** What stands in the queue for a job: no paths of a machine, no secrets; files by their hashes. */
export const payloadSchema = z.object({
  key: text,
  name: text,
  command: z.enum(["quantize", "optimize"]),
  target: text,
  recipe: text,
  /** Folder of the job, from that of the results. */
  folder: text,
  options: z.record(text, text),
  /** Options that name files, with their paths among `files`. */
  paths: z.record(text, text),
  /** The model's path among `files`. */
  model: z.object({ path: text, sha256: text, bytes: z.number() }),
  files: treeSchema,
  limits: z.object({ time: z.number(), memory: z.number().optional(), attempts: z.number() }),
  memoryBytes: z.number(),
});

export type Payload = z.infer<typeof payloadSchema>;

/** Puts a job's files into the store and describes the job. `files`: of the model's external data. */
export async function makePayload(
  planned: PlannedJob,
  { store, out }: { store: Store; out: string },
): Promise<Payload> {
  const { job, key, model, recipe, options, folder, memoryBytes, files } = planned;
  const root = dirname(job.model);
  const found = [
    { path: join("model", basename(job.model)), file: job.model },
    ...files.map((file) => ({ path: join("model", relative(root, file)), file })),
  ];
  const paths: Record<string, string> = {};
  const plain: Record<string, string> = {};
  for (const [name, value] of Object.entries(options)) {
    if (!fileOptions.includes(name) || value === "none") {
      if (name !== "cache") plain[name] = value;
      continue;
    }
    paths[name] = join(name, basename(value));
    found.push(...(await filesUnder(value, join(name, basename(value)))));
  }
  const { time, memory, attempts } = job.limits;
  return {
    key,
    name: job.name,
    command: job.command,
    target: job.target,
    recipe,
    options: plain,
    paths,
    folder: relative(out, folder),
    model: { path: join("model", basename(job.model)), sha256: model.sha256, bytes: model.bytes },
    files: await putFiles(store, found),
    limits: { time, attempts, ...(memory === undefined ? {} : { memory }) },
    memoryBytes,
  };
}

/** The job of a payload on the machine of a worker. `scratch`: its folder; `inputs`: where the job's files lie. */
export function plannedOf(
  payload: Payload,
  { scratch, inputs }: { scratch: string; inputs: string },
): PlannedJob {
  const { key, name, command, target, recipe, options, paths, model, limits, memoryBytes } = payload;
  const files = Object.entries(paths).map(([option, path]) => [option, insideOf(inputs, path)] as const);
  const path = insideOf(inputs, model.path);
  return {
    job: {
      name,
      model: path,
      target,
      command,
      recipe,
      options,
      priority: 0,
      limits: { time: limits.time, memory: limits.memory, attempts: limits.attempts },
    },
    key,
    recipe,
    cause: undefined,
    memoryBytes,
    seconds: 0,
    files: [],
    model: { ...model, path },
    options: { ...options, ...Object.fromEntries(files) },
    folder: insideOf(scratch, payload.folder),
  };
}
