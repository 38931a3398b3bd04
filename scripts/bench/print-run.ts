import type { BenchRun, StepRow } from "./results.ts";

/** Prints a run as ratios: against full training (r = 1) with its first arithmetic, and against PyTorch. */
export function printRun({ rows, forward, torch, memory, others }: BenchRun): void {
  const forwardTimes = Object.entries(forward).map(([name, ms]) => `${name} forward ${ms.toFixed(0)} ms`);
  if (torch !== undefined)
    forwardTimes.push(`torch forward ${torch.forward.toFixed(0)} ms, torch step ${torch.step.toFixed(0)} ms`);
  console.log(`  ${forwardTimes.join(", ")}`);
  printSteps(rows, torch?.step);
  console.log(`  other processes took ${(100 * others).toFixed(0)} % of the cores`);
  if (memory === undefined) return;
  const peaks = { ...memory, ...(torch === undefined ? {} : { torch: torch.peakBytes }) };
  const text = Object.entries(peaks).map(([who, bytes]) => `${who} ${(bytes / 1e9).toFixed(2)} GB`);
  console.log(`  peak memory of the training process, r = 0.25: ${text.join(", ")}`);
}

function printSteps(rows: readonly StepRow[], torchStep: number | undefined): void {
  const full = rows.find(
    ({ mode, ratio, arithmetic }) => mode === "cwpl" && ratio === 1 && arithmetic === rows[0]?.arithmetic,
  );
  const times = (base: number | undefined, own: number): string =>
    base === undefined ? "-" : `${(base / own).toFixed(2)}x`;
  const line = (cells: readonly string[]): void =>
    console.log(`  ${cells.map((cell) => cell.padStart(12)).join("")}`);
  line(["arithmetic", "r", "backward ms", "x of full", "step ms", "x of full", "x of torch", "in JS"]);
  for (const { arithmetic, mode, ratio, step, backward, overhead } of rows) {
    const own = [
      backward.toFixed(0),
      times(full?.backward, backward),
      step.toFixed(0),
      times(full?.step, step),
    ];
    line([
      arithmetic,
      mode === "cost" ? `cost ${ratio}` : String(ratio),
      ...own,
      times(torchStep, step),
      `${(overhead * 100).toFixed(1)} %`,
    ]);
  }
}
