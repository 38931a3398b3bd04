import { readFileSync } from "node:fs";
import { z } from "zod";

/**
 * What a step computes with: all in float; mixed, a float forward and data gradients on integer kernels; or forward and
 * backward on integer kernels.
 */
export const arithmetics = ["float", "mixed", "integer"] as const;
export type Arithmetic = (typeof arithmetics)[number];

/** The arithmetic of a step's two parts, as an artifact is asked for it. */
export const partsOf = (arithmetic: Arithmetic) => ({
  forward: [arithmetic === "integer" ? "integer" : "float"] as const,
  backward: [arithmetic === "float" ? "float" : "integer"] as const,
});

const ms = z.number();
const bytes = z.number();

const stepRow = z.object({
  arithmetic: z.enum(arithmetics),
  mode: z
    .enum(["cwpl", "cost"])
    .default("cwpl")
    .describe("How rows are chosen: a share of each layer's, or against measured time."),
  ratio: z.number().describe("Share of rows; of a full backward's time for the mode cost."),
  step: ms,
  backward: ms.describe("The training graph's time less that of its own forward."),
  overhead: z.number().describe("What of a step the sessions do not take, as a share of what they take."),
});
/** Medians in milliseconds of the steps of one arithmetic at one ratio. */
export type StepRow = z.infer<typeof stepRow>;

const benchRun = z.object({
  kind: z
    .enum(["ratio", "batch", "depth"])
    .describe("What the run belongs to: all ratios of a model, or one point of a sweep."),
  model: z.string(),
  depth: z.number().optional(),
  batch: z.number(),
  sample: z.array(z.number()),
  rows: z.array(stepRow),
  forward: z.record(z.string(), ms).describe("Forward pass and loss alone, by arithmetic."),
  torch: z.object({ version: z.string(), forward: ms, step: ms, peakBytes: bytes }).optional(),
  memory: z
    .record(z.string(), bytes)
    .optional()
    .describe("Peak of a process that only trains at r = 0.25, by arithmetic."),
  others: z.number().describe("Share of all cores that other processes took meanwhile."),
  times: z.record(z.string(), z.array(ms)).describe("Every round, by what was timed."),
});
/** One model at one batch: its steps at several ratios, timed in turn. */
export type BenchRun = z.infer<typeof benchRun>;

const benchResults = z.object({
  command: z.string(),
  machine: z.object({
    cpu: z.string(),
    cores: z.number(),
    node: z.string(),
    onnxruntime: z.string(),
  }),
  rounds: z.number(),
  threads: z.number(),
  runs: z.array(benchRun),
});
/** What `npm run bench -- --json FILE` writes. */
export type BenchResults = z.infer<typeof benchResults>;

export function readResults(file: string): BenchResults {
  return benchResults.parse(JSON.parse(readFileSync(file, "utf8")));
}
