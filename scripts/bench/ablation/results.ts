import { readFileSync } from "node:fs";
import { z } from "zod";

const ablationRow = z.object({
  setting: z.string(),
  choice: z.string().describe("Mode, metric and share; float and ptq for the models before training."),
  top1: z.array(z.number()).describe("Percent, by seed."),
  rows: z.number().describe("Share of rows that trained after the last choice of the last seed."),
  step: z.number().optional().describe("Milliseconds of a training step, median."),
});
/** One choice of rows on one network. */
export type AblationRow = z.infer<typeof ablationRow>;

const ablationResults = z.object({
  command: z.string(),
  arithmetic: z
    .record(z.string(), z.object({ forward: z.string(), backward: z.string() }))
    .describe("What the steps of a network at these bit widths were computed with, as the trial had it."),
  epochs: z.number(),
  rounds: z.number(),
  threads: z.number(),
  rows: z.array(ablationRow),
});
/** What `npm run bench:ablation -- --json FILE` writes. */
export type AblationResults = z.infer<typeof ablationResults>;

export function readAblation(file: string): AblationResults {
  return ablationResults.parse(JSON.parse(readFileSync(file, "utf8")));
}

export const meanOf = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
