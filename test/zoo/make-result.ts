import type { JobResult } from "../../src/zoo/jobs/job.ts";

/** A result with everything in it; `more` replaces parts. */
export function makeResult(name: string, more: Partial<JobResult> = {}): JobResult {
  return {
    formatVersion: 1,
    key: name.padEnd(64, "0"),
    name,
    model: { path: `/zoo/${name}.onnx`, sha256: "ab".repeat(32), bytes: 4e6 },
    target: "ort-cpu",
    command: "quantize",
    recipe: "classifier",
    options: { samples: "64" },
    tool: { version: "0.1.0", runtime: "1.30.0" },
    status: "done",
    limits: { time: 60, memory: 4e9 },
    attempts: 1,
    seconds: 3,
    peakBytes: 5e8,
    ended: "2026-01-01T00:00:00.000Z",
    folder: `jobs/${name}`,
    outputs: [{ path: `jobs/${name}/report.html`, bytes: 10, sha256: "cd".repeat(32) }],
    metrics: {
      floatBytes: 4e6,
      bytes: 1e6,
      floatMs: 2,
      latencyMs: 1,
      latencyQuartiles: [0.95, 1.05] as [number, number],
      measure: "top1",
      accuracy: 0.9,
      floatAccuracy: 0.91,
      accuracyInterval: [0.88, 0.92] as [number, number],
      sqnr: 30,
      sqnrInterval: [29.8, 30.2] as [number, number],
      integerShare: 0.98,
      warnings: 0,
    },
    ...more,
  };
}

export const makeFailure = (name: string, code: string, what: string): JobResult =>
  makeResult(name, { status: "failed", cause: { code, what }, metrics: {}, outputs: [] });
