import { availableParallelism } from "node:os";
import type { Dataset } from "../data/dataset.ts";
import type { Report } from "../report/report-data.ts";
import { type ModelSource, withSessions } from "../runtime/open-model.ts";
import type { Session } from "../runtime/session.ts";
import { signTest } from "../statistics/paired.ts";
import { quartilesOf } from "../statistics/quartiles.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { breathe } from "../runtime/breathe.ts";
import type { Deployed } from "./export-stage.ts";
import { type RunContext, type RuntimeOptions, sessionOptionsOf } from "./context.ts";

/** Milliseconds spent measuring, and the most runs of each model. */
const budget = 2000;
const mostRuns = 200;

/** A model that takes turns with two others. */
export interface TimedBeside {
  latencyMs: number;
  latencyQuartiles: [number, number];
}

/**
 * Medians and quartiles of single runs of two models on the same real samples, and of `beside` where that is given, taken in turn
 * and in changing order so that all see the same machine. Batch size 1, or the model's own where it is fixed.
 */
export async function measureLatency(
  float: ModelSource,
  quantized: ModelSource,
  dataset: Dataset,
  options: RuntimeOptions,
  context: RunContext,
  beside?: ModelSource,
): Promise<{ latency: Latency; beside?: TimedBeside }> {
  const sources = [float, quantized, ...(beside === undefined ? [] : [beside])];
  return withSessions(sources, sessionOptionsOf(options), async (sessions) => {
    const batch = dataset.samplesPerRun ?? sessions[0]?.fixedBatch ?? 1;
    const { inputs } = await dataset.read(
      Array.from({ length: batch }, (_, index) => index % dataset.length),
    );
    const [floatTimes = [], quantizedTimes = [], times] = await timeInTurn(sessions, inputs, context.signal);
    const [floatLow, floatMs, floatHigh] = quartilesOf(floatTimes);
    const [low, quantizedMs, high] = quartilesOf(quantizedTimes);
    const { threads } = options;
    const latency: Latency = {
      batch,
      ...(threads === undefined ? {} : { threads }),
      processors: availableParallelism(),
      runs: floatTimes.length,
      floatMs,
      quantizedMs,
      floatQuartiles: [floatLow, floatHigh],
      quantizedQuartiles: [low, high],
      slower: isSlower(quantizedTimes, floatTimes),
    };
    if (times === undefined) return { latency };
    const [least, latencyMs, most] = quartilesOf(times);
    return { latency, beside: { latencyMs, latencyQuartiles: [least, most] } };
  });
}

/** The same for a written model, where the runtime that it is for is the one that is here. */
export async function timeDeployed(
  float: ModelSource,
  { path, target }: Pick<Deployed, "path" | "target">,
  dataset: Dataset,
  options: RuntimeOptions,
  context: RunContext,
  beside?: ModelSource,
): Promise<{ latency?: Latency; beside?: TimedBeside }> {
  return target.audited ? measureLatency(float, path, dataset, options, context, beside) : {};
}

/** Whether runs take longer than those they took turns with: by more than a twentieth, and more often than chance has it. */
export function isSlower(times: readonly number[], others: readonly number[]): boolean {
  const longer = times.filter((time, index) => time > (others[index] as number)).length;
  const clear = quartilesOf(times)[1] > 1.05 * quartilesOf(others)[1];
  return clear && 2 * longer > times.length && signTest(longer, times.length - longer) < 0.1;
}

/** A result that is slower than what it was made of. */
export function latencyWarnings(latency: Latency | undefined): string[] {
  if (latency?.slower !== true) return [];
  const { floatMs, quantizedMs } = latency;
  return [
    `The quantized model is ${(quantizedMs / floatMs).toFixed(2)} times as slow as the float one on this machine: ONNX Runtime has no faster integer kernels for much of it here, or it is too small for them to pay.`,
  ];
}

type Latency = NonNullable<Report["latency"]>;

async function timeInTurn(
  sessions: readonly Session[],
  inputs: Record<string, Tensor>,
  signal: AbortSignal,
): Promise<number[][]> {
  const times: number[][] = sessions.map(() => []);
  const start = performance.now();
  for (let run = -3; run < mostRuns && (run < 5 || performance.now() - start < budget); run++) {
    const order = [...sessions.entries()];
    for (const [index, session] of run % 2 === 0 ? order : order.reverse()) {
      const milliseconds = await session.time(inputs);
      // The first runs warm up.
      if (run >= 0) times[index]?.push(milliseconds);
    }
    await breathe(signal);
  }
  return times;
}
