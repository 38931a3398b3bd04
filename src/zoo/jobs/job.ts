import { z } from "zod";

const text = z.string();
const finite = z.number();

/** Limits of one job. */
export interface JobLimits {
  /** Seconds. */
  time: number;
  /** Bytes of all its processes together. */
  memory: number | undefined;
  /** Times that it is tried where what ended it may be gone the next time. */
  attempts: number;
}

/** One model for one target, as it is asked for. */
export interface Job {
  /** Unique in a run: the model's name, with the target where there are several. */
  name: string;
  /** Absolute path. */
  model: string;
  target: string;
  command: "quantize" | "optimize";
  /** "auto", "none" or a name. */
  recipe: string;
  /** Options of the command, in order of their names; absolute paths. */
  options: Readonly<Record<string, string>>;
  limits: JobLimits;
  priority: number;
}

/** Why a model cannot be used, or a job failed. */
export const causeSchema = z.object({
  code: text.describe(
    "model/..., data/..., environment/...; job/time, job/memory and job/killed are the zoo's.",
  ),
  what: text,
  where: text.optional(),
  hint: text.optional(),
});

export type Cause = z.infer<typeof causeSchema>;

const metricsSchema = z.object({
  floatBytes: finite.optional(),
  bytes: finite.optional().describe("Size of the written model."),
  floatMs: finite.optional().describe("Median latency of the source model."),
  latencyMs: finite.optional(),
  latencyQuartiles: z.tuple([finite, finite]).optional(),
  measure: text.optional().describe("What accuracy is: top1, agreement, cosine or equal."),
  accuracy: finite.optional(),
  floatAccuracy: finite.optional(),
  accuracyInterval: z.tuple([finite, finite]).optional(),
  sqnr: finite.optional().describe("dB against the float model."),
  sqnrInterval: z.tuple([finite, finite]).optional(),
  integerShare: finite.optional().describe("Share of multiply-accumulates on integer kernels."),
  warnings: finite.optional(),
});

export type Metrics = z.infer<typeof metricsSchema>;

/** What became of a job; the file result.json in its folder. It is there when, and only when, the job has ended. */
export const jobResultSchema = z.object({
  formatVersion: z.literal(1),
  key: text.describe("Hash of the model, the data, the recipe, the options and the tool's version."),
  name: text,
  model: z.object({ path: text, sha256: text, bytes: finite }),
  target: text,
  command: z.enum(["quantize", "optimize"]),
  recipe: text,
  options: z.record(text, text).describe("What was asked for, the recipe's choices included."),
  settings: z
    .record(text, text)
    .optional()
    .describe("All options in effect, defaults included, without paths."),
  tool: z.object({ version: text, runtime: text }),
  status: z.enum(["done", "failed"]),
  cause: causeSchema.optional(),
  limits: z.object({ time: finite, memory: finite.optional() }),
  attempts: finite,
  seconds: finite,
  peakBytes: finite.describe("Largest resident memory of the job's processes together, as it was watched."),
  ended: text.describe("ISO time."),
  folder: text.describe("Folder of the job, from that of the results."),
  outputs: z.array(z.object({ path: text, bytes: finite, sha256: text })),
  metrics: metricsSchema,
});

export type JobResult = z.infer<typeof jobResultSchema>;
