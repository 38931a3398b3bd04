import type { Dataset } from "../data/dataset.ts";
import type { Report } from "../report/report-data.ts";
import { type ModelSource, withSessions } from "../runtime/open-model.ts";
import type { Session } from "../runtime/session.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { breathe, type RunContext, type RuntimeOptions, sessionOptionsOf } from "./context.ts";

/** Milliseconds spent measuring, and the most runs of each model. */
const budget = 2000;
const mostRuns = 200;

/**
 * Medians of single runs of two models on the same real samples, taken in turn so that both see the same machine.
 * Batch size 1, or the model's own where it is fixed.
 */
export async function measureLatency(
  float: ModelSource,
  quantized: ModelSource,
  dataset: Dataset,
  options: RuntimeOptions,
  context: RunContext,
): Promise<NonNullable<Report["latency"]>> {
  return withSessions([float, quantized], sessionOptionsOf(options), async (sessions) => {
    const batch = dataset.samplesPerRun ?? sessions[0]?.fixedBatch ?? 1;
    const { inputs } = await dataset.read(
      Array.from({ length: batch }, (_, index) => index % dataset.length),
    );
    const [floatMs = NaN, quantizedMs = NaN] = await timeInTurn(sessions, inputs, context.signal);
    const { threads } = options;
    return { batch, ...(threads === undefined ? {} : { threads }), floatMs, quantizedMs };
  });
}

async function timeInTurn(
  sessions: readonly Session[],
  inputs: Record<string, Tensor>,
  signal: AbortSignal,
): Promise<number[]> {
  const times: number[][] = sessions.map(() => []);
  const start = performance.now();
  for (let run = -3; run < mostRuns && (run < 5 || performance.now() - start < budget); run++) {
    for (const [index, session] of sessions.entries()) {
      const milliseconds = await session.time(inputs);
      // The first runs warm up.
      if (run >= 0) times[index]?.push(milliseconds);
    }
    await breathe(signal);
  }
  return times.map((list) => [...list].sort((a, b) => a - b)[list.length >> 1] ?? NaN);
}
