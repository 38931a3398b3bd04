import { batches } from "../data/batches.ts";
import type { Batch, Dataset } from "../data/dataset.ts";
import { usageError } from "../errors.ts";
import type { JudgedOutputs } from "../ir/judged-output.ts";
import type { OutputFacts } from "../ir/output-kinds.ts";
import type { ModelSource } from "../runtime/open-model.ts";
import { openSession } from "../runtime/open-model.ts";
import { kernelsSaturate } from "../runtime/saturation.ts";
import type { Session } from "../runtime/session.ts";
import type { Score } from "../report/report-data.ts";
import { readTargets } from "../data/targets.ts";
import { scoreOf as scoreOfMetric } from "../scoring/metrics/combine.ts";
import type { Metric } from "../scoring/metrics/metric.ts";
import { type Measures, summarise } from "../scoring/summarise.ts";
import { createTally, type SampleScores, type Tally } from "../scoring/tally.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { breathe } from "../runtime/breathe.ts";
import { type RunContext, type RuntimeOptions, sessionOptionsOf } from "./context.ts";

export interface Contender {
  model: Score["model"];
  source: ModelSource;
  /** What the judging samples were used for when this model was made (calibration, training), if anything. */
  usedFor?: readonly string[];
}

export interface ScoreOptions extends RuntimeOptions {
  /** Samples per run, where the models leave it open. */
  batch: number;
  /** What the outputs are, and which of them is judged. */
  outputs: JudgedOutputs;
  /** The quantized models are for processors with exact kernels: see `SessionOptions`. */
  exactKernels?: boolean;
  /** Metrics that were asked for beside. */
  metrics?: readonly Metric[];
}

/** Scores of each model, and the values of each sample that they are computed from. */
export interface Scored {
  scores: Score[];
  /** The judged output's scores of each sample, by model. */
  samples: Map<Score["model"], SampleScores>;
  /** What each metric makes of each sample, by model. */
  entries: Map<Score["model"], unknown[][]>;
}

interface Opened {
  contender: Contender;
  session: Session;
  judged: Tally;
  others: Tally[];
  /** By metric, what it makes of each sample. */
  entries: unknown[][];
}

/**
 * Runs models over a data set in one pass, in ONNX Runtime with all optimizations, and scores each: top-1, top-5 and
 * cross-entropy where there are labels and the judged output tells classes apart; the distance of each from the first one:
 * SQNR, cosine of features, the share of equal elements of integers, agreement of classes.
 */
export async function scoreModels(
  contenders: readonly Contender[],
  dataset: Dataset,
  options: ScoreOptions,
  context: RunContext,
): Promise<Scored> {
  const opened: Opened[] = [];
  const { judged, others } = options.outputs;
  const exact = options.exactKernels === true && (await kernelsSaturate());
  const { metrics = [] } = options;
  const shown = readTargets(dataset, [...new Set(metrics.flatMap(({ arrays }) => arrays))]);
  try {
    for (const contender of contenders) {
      const exactKernels = exact && contender.model !== "float";
      const session = await openSession(contender.source, { ...sessionOptionsOf(options), exactKernels });
      opened.push({
        contender,
        session,
        judged: createTally(judged),
        others: others.map(createTally),
        entries: metrics.map(() => []),
      });
      requireOutput(session, judged.name);
    }
    const { samplesPerRun } = dataset;
    const batch =
      samplesPerRun ?? Math.min(...opened.map(({ session }) => session.fixedBatch ?? options.batch));
    let done = 0;
    for await (const samples of batches(shown, { batch })) {
      await scoreBatch(opened, samples, { samplesPerRun, metrics }, context);
      done += samples.size;
      context.logger.progress("evaluate", done, dataset.length);
    }
    return {
      scores: opened.map((each) => scoreOf(each, metrics)),
      entries: new Map(opened.map(({ contender, entries }) => [contender.model, entries])),
      samples: new Map(opened.map(({ contender, judged: tally }) => [contender.model, tally.scores])),
    };
  } finally {
    for (const { session } of opened) await session.release();
  }
}

/** Runs every model on a batch and compares the outputs with those of the first model. */
async function scoreBatch(
  opened: readonly Opened[],
  samples: Batch,
  { samplesPerRun, metrics }: { samplesPerRun: number | undefined; metrics: readonly Metric[] },
  context: RunContext,
): Promise<void> {
  let reference: Record<string, Tensor> | undefined;
  for (const { session, judged, others, entries } of opened) {
    const names = new Set(session.outputs.map(({ name }) => name));
    const compared = [judged, ...others].filter(({ facts }) => names.has(facts.name));
    const outputs = await runPadded(
      session,
      samples,
      compared.map(({ facts }) => facts),
      samplesPerRun,
    );
    for (const tally of compared) {
      const { name } = tally.facts;
      const labels = tally === judged ? samples.labels : undefined;
      // Other outputs may differ in shape, such as boxes above a threshold; these have no distance.
      if (tally === judged || sameShape(outputs[name], reference?.[name]))
        tally.add(outputs[name] as Tensor, samples.size, labels, reference?.[name]);
    }
    for (const [at, metric] of metrics.entries()) {
      // Metrics against the float model skip it; custom ones get its own outputs as the reference.
      if (metric.fromFloat === true && reference === undefined) continue;
      const { size, labels, targets } = samples;
      const shown = metric.fromFloat === false ? undefined : (reference ?? outputs);
      entries[at]?.push(...(await metric.measure({ size, outputs, reference: shown, labels, targets })));
    }
    reference ??= outputs;
    await breathe(context.signal);
  }
}

const sameShape = (a: Tensor | undefined, b: Tensor | undefined): boolean =>
  b !== undefined && a?.dims.length === b.dims.length && a.dims.every((dim, axis) => dim === b.dims[axis]);

function scoreOf({ contender, judged, others, entries }: Opened, metrics: readonly Metric[]): Score {
  const asked = metrics.flatMap((metric, at) => {
    const own = entries[at] ?? [];
    if (own.length === 0) return [];
    const { value, interval } = scoreOfMetric(metric, own);
    return [
      {
        name: metric.name,
        value,
        ...(interval === undefined ? {} : { interval: [...interval] as [number, number] }),
      },
    ];
  });
  const beside = others.filter(({ scores }) => scores.signal.length > 0);
  return {
    model: contender.model,
    samples: judged.scores.samples,
    usedFor: [...(contender.usedFor ?? [])],
    ...plainMeasures(summarise(judged)),
    ...(asked.length === 0 ? {} : { metrics: asked }),
    ...(beside.length === 0
      ? {}
      : {
          otherOutputs: beside.map((tally) => {
            const { intervals: _intervals, ...measures } = plainMeasures(summarise(tally));
            return { output: tally.facts.name, kind: tally.facts.kind, ...measures };
          }),
        }),
  };
}

/** Measures with their intervals as lists that can be changed, as the report's schema has them. */
function plainMeasures({ intervals, ...measures }: Measures): Omit<Score, "model" | "samples" | "usedFor"> {
  const plain = Object.entries(intervals).map(([name, [low, high]]) => [name, [low, high]] as const);
  return { ...measures, intervals: Object.fromEntries(plain) };
}

function requireOutput(session: Session, wanted: string): void {
  if (session.outputs.some(({ name }) => name === wanted)) return;
  throw usageError(
    "output",
    `A model to judge has no output "${wanted}"`,
    "--output, --reference",
    `It has ${session.outputs.map(({ name }) => name).join(", ")}. Compare models of the same outputs.`,
  );
}

/** Runs one batch; a model of fixed batch size gets a short batch filled up, and what that adds is cut off again. */
async function runPadded(
  session: Session,
  batch: Batch,
  wanted: readonly OutputFacts[],
  samplesPerRun: number | undefined,
): Promise<Record<string, Tensor>> {
  const size = samplesPerRun ?? session.fixedBatch ?? batch.size;
  const feeds =
    size === batch.size
      ? batch.inputs
      : Object.fromEntries(
          Object.entries(batch.inputs).map(([name, tensor]) => [name, padRows(tensor, size)]),
        );
  const results = await session.run(
    feeds,
    wanted.map(({ name }) => name),
  );
  if (size === batch.size) return results;
  const cut = ({ name, kind }: OutputFacts): Tensor => {
    const result = results[name] as Tensor;
    return kind === "constant" || result.dims[0] !== size ? result : cutRows(result, batch.size);
  };
  return Object.fromEntries(wanted.map((facts) => [facts.name, cut(facts)]));
}

function padRows(tensor: Tensor, rows: number): Tensor {
  const have = tensor.dims[0] ?? 0;
  if (have === rows) return tensor;
  const rowBytes = tensor.bytes.byteLength / have;
  const bytes = new Uint8Array(rows * rowBytes);
  bytes.set(tensor.bytes);
  return { dtype: tensor.dtype, dims: [rows, ...tensor.dims.slice(1)], bytes };
}

function cutRows(tensor: Tensor, rows: number): Tensor {
  const rowBytes = tensor.bytes.byteLength / (tensor.dims[0] ?? 1);
  return {
    dtype: tensor.dtype,
    dims: [rows, ...tensor.dims.slice(1)],
    bytes: tensor.bytes.subarray(0, rows * rowBytes),
  };
}
