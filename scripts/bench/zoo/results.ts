import { readFileSync } from "node:fs";
import { z } from "zod";

const node = z.object({ node: z.string(), op: z.string(), reason: z.string() });
const quality = z.object({
  sqnr: z.number().optional().describe("dB against the float model."),
  cosine: z.number().optional().describe("Mean cosine of a sample's output with the float model's."),
});

const zooRow = z.object({
  model: z.string(),
  exporter: z.string(),
  stages: z.object({
    prepared: z.boolean(),
    quantized: z.boolean(),
    trained: z.boolean(),
    exported: z.boolean(),
  }),
  error: z.string().optional().describe("Why a stage was not reached."),
  macs: z
    .object({ quantized: z.number(), integer: z.number() })
    .optional()
    .describe("Shares of the multiply-accumulates: of quantized layers, and on integer kernels."),
  weights: z.number().describe("Quantized weights."),
  reached: z.number().describe("Quantized weights that the gradient reaches."),
  steps: z.number(),
  before: quality.describe("After quantization alone."),
  after: quality.describe("As written; the same where training gained nothing beyond chance."),
  bytes: z.object({ source: z.number(), written: z.number() }),
  seconds: z.number(),
  peakBytes: z.number().describe("Resident memory of all processes of the run together."),
  leftFloat: z.array(node).describe("Layers with weights that stay float."),
  notReached: z.array(z.string()).describe("Quantized weights that no gradient reaches."),
  ends: z.array(node).describe("Where gradients end."),
});
/** What became of one model on its way through `efqat optimize`. */
export type ZooRow = z.infer<typeof zooRow>;

const zooRecord = z.object({ key: z.string(), row: zooRow });

const zooResults = z.object({
  command: z.string(),
  machine: z.object({ cpu: z.string(), cores: z.number(), node: z.string() }),
  rows: z.array(zooRow),
});
/** What `npm run bench:zoo -- --json FILE` writes. */
export type ZooResults = z.infer<typeof zooResults>;

export function readZooResults(file: string): ZooResults {
  return zooResults.parse(JSON.parse(readFileSync(file, "utf8")));
}

/** The row of an earlier run on the same model, data and options, or undefined. */
export function readRecord(file: string, key: string): ZooRow | undefined {
  try {
    const found = zooRecord.parse(JSON.parse(readFileSync(file, "utf8")));
    return found.key === key ? found.row : undefined;
  } catch {
    return undefined;
  }
}
