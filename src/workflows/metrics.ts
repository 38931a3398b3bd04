import type { Dataset } from "../data/dataset.ts";
import { readTargets } from "../data/targets.ts";
import type { JudgedOutputs } from "../ir/judged-output.ts";
import type { Model } from "../ir/model.ts";
import { fixedBatch } from "../ir/value-types.ts";
import { withSession } from "../runtime/open-model.ts";
import type { AskedMetric, Metric } from "../scoring/metrics/metric.ts";
import { type CustomMetric, customMetric } from "../training/metrics/module-metric.ts";
import { openMetrics, releaseMetrics } from "../training/metrics/open-metrics.ts";

/** Metrics beside those that outputs are judged by anyway; the first decides what is better. */
export interface MetricRequest {
  asked: readonly AskedMetric[];
  /** File with the characters of classes, one a line. */
  characters?: string | undefined;
  /** Functions of a caller's own. */
  custom?: readonly CustomMetric[] | undefined;
}

/** What metrics are of. */
export interface MetricSource {
  model: Model;
  outputs: JudgedOutputs;
  dataset: Dataset;
  /** There is no float model to compare with. */
  alone?: boolean | undefined;
}

/** Opens the metrics that were asked for. Throws a UserError where one does not fit. Release them. */
export async function openRequested(
  request: MetricRequest | undefined,
  { model, outputs, dataset, alone }: MetricSource,
): Promise<Metric[]> {
  const { asked = [], characters, custom = [] } = request ?? {};
  const subject = { model, judged: outputs.judged.name, dataset, characters, alone };
  const own = custom.map((metric, at) => {
    const text = custom.length === 1 ? "metric" : `metric ${at + 1}`;
    return customMetric(metric, { text, where: "metric" }, subject);
  });
  return [...own, ...(await openMetrics(asked, subject))];
}

/**
 * Throws a UserError where a metric does not fit its model and data. Those of a user's own, and those that
 * compare with arrays, are tried on a sample: they are first needed when much is done.
 */
export async function checkMetrics(request: MetricRequest | undefined, source: MetricSource): Promise<void> {
  const metrics = await openRequested(request, source);
  try {
    const tried = metrics.filter(({ arrays }, at) => isOwn(request, at) || arrays.length > 0);
    if (tried.length > 0) await tryMetrics(tried, source);
  } finally {
    await releaseMetrics(metrics);
  }
}

/** Whether a metric is no named one: callers' functions come first. */
function isOwn({ asked, custom = [] }: MetricRequest = { asked: [] }, at: number): boolean {
  return at < custom.length || asked[at - custom.length]?.file !== undefined;
}

async function tryMetrics(metrics: readonly Metric[], { model, dataset }: MetricSource): Promise<void> {
  const shown = readTargets(dataset, [...new Set(metrics.flatMap(({ arrays }) => arrays))]);
  const size = dataset.samplesPerRun ?? fixedBatch(model.graph) ?? 1;
  const indices = Array.from({ length: size }, (_, index) => index % dataset.length);
  const { inputs, labels, targets } = await shown.read(indices);
  const outputs = await withSession(model, {}, (session) => session.run(inputs));
  for (const metric of metrics) await metric.measure({ size, outputs, reference: outputs, labels, targets });
}

/** What a run keeps its best state by: the first metric, of the output that is judged unless it names another. */
export function stateMetric(
  request: MetricRequest | undefined,
  judged: string,
): { metric: AskedMetric | null; characters: string | null } {
  const { asked: [first] = [], characters = null, custom = [] } = request ?? {};
  if (first === undefined || custom.length > 0) return { metric: null, characters: null };
  return {
    metric: first.file === undefined ? { ...first, output: first.output ?? judged } : first,
    characters,
  };
}
