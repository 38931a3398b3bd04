import type { Batch, Dataset } from "../../data/dataset.ts";
import { pseudoValues, valueOf } from "../../scoring/metrics/combine.ts";
import type { Metric } from "../../scoring/metrics/metric.ts";
import type { Session } from "../../runtime/session.ts";
import { breathe } from "../../runtime/breathe.ts";
import { type Tensor, viewAs } from "../../tensor/tensor.ts";
import type { Manifest } from "../artifact/manifest.ts";
import { hasSampleLosses, sampleLosses } from "../losses/attach-loss.ts";
import { stateFeeds } from "../sessions/state-feeds.ts";
import type { TrainingState } from "../state.ts";
import type { SampleEvaluation } from "./choose-state.ts";
import { targetsOf } from "../sessions/targets.ts";

/**
 * The loss of each sample and their mean, and top-1 accuracy where there are labels and a classifier, of a state; with a metric
 * its value, and what it is of samples instead of their losses. Throws between two runs when `signal` aborts.
 */
export async function evaluateState(
  manifest: Manifest,
  sessions: { evaluation: Session; teacher: Session | undefined; metric?: Metric | undefined },
  state: TrainingState,
  dataset: Dataset,
  signal?: AbortSignal,
): Promise<SampleEvaluation> {
  const parameters = stateFeeds(manifest, sessions.evaluation, state);
  const scores = classifierOutput(manifest);
  const { metric } = sessions;
  const entries = new Map<number, unknown>();
  const losses = new Map<number, number>();
  let correct = 0;
  let seen = 0;
  // A loss that is a model is that of a whole batch, and of a sample where the batch is one.
  const bySample = hasSampleLosses(manifest.loss);
  for (const indices of evaluationBatches(manifest, dataset.length, bySample ? manifest.batch : 1)) {
    const batch = await dataset.read(indices);
    if (signal !== undefined) await breathe(signal);
    const targets = await targetsOf(manifest, batch, sessions.teacher);
    const judged = [...(metric?.outputs ?? []), ...(scores === undefined ? [] : [scores])];
    const fetches = ["loss", ...(bySample ? [sampleLosses] : []), ...new Set(judged)];
    const outputs = await sessions.evaluation.run({ ...parameters, ...batch.inputs, ...targets }, fetches);
    // A sample that fills up a batch a second time counts once.
    for (const [position, loss] of lossesOf(outputs, batch.size).entries())
      losses.set(indices[position] as number, loss);
    if (metric !== undefined)
      for (const [position, entry] of (await measure(metric, batch, outputs, sessions.teacher)).entries())
        entries.set(indices[position] as number, entry);
    if (scores !== undefined && batch.labels !== undefined)
      correct += countCorrect(outputs[scores] as Tensor, batch.labels);
    seen += batch.size;
  }
  const each = Float64Array.from(losses.values());
  return {
    loss: each.reduce((sum, value) => sum + value, 0) / each.length,
    accuracy: scores === undefined || !dataset.hasLabels ? null : correct / seen,
    ...(metric === undefined ? { losses: each } : judgeBy(metric, [...entries.values()])),
  };
}

/** The metric's value over samples, and what it is of samples or groups of them, lower being better. */
function judgeBy(metric: Metric, entries: readonly unknown[]): Pick<SampleEvaluation, "metric" | "losses"> {
  const sign = metric.better === "higher" ? -1 : 1;
  const losses = pseudoValues(metric, entries).map((value) => sign * value);
  return { metric: valueOf(metric, entries), losses };
}

async function measure(
  metric: Metric,
  { size, inputs, labels, targets }: Batch,
  outputs: Record<string, Tensor>,
  teacher: Session | undefined,
): Promise<readonly unknown[]> {
  const reference = metric.fromFloat === false ? undefined : await teacher?.run(inputs, [...metric.outputs]);
  return metric.measure({ size, outputs, reference, labels, targets });
}

/** The losses of a batch's samples; where an output does not have the samples first, the batch's for each of them. */
function lossesOf(outputs: Record<string, Tensor>, samples: number): number[] {
  const each = outputs[sampleLosses];
  const losses = each === undefined ? [] : [...viewAs(each, "float32")];
  if (losses.length === samples) return losses;
  return Array.from({ length: samples }, () => viewAs(outputs["loss"] as Tensor, "float32")[0] as number);
}

/** Sample indices per batch of `size`, where the model leaves that open. A model of fixed batch size gets full batches only; a set smaller than one is gone round again. */
function evaluationBatches(manifest: Manifest, samples: number, size: number): number[][] {
  const open = manifest.inputs.every(({ shape }) => typeof shape[0] === "string");
  const batch = open ? size : manifest.batch;
  const range = (start: number, end: number): number[] =>
    Array.from({ length: end - start }, (_, index) => (start + index) % samples);
  const batches: number[][] = [];
  if (samples < batch) return [open ? range(0, samples) : range(0, batch)];
  const end = open ? samples : samples - (samples % batch);
  for (let start = 0; start < end; start += batch) batches.push(range(start, Math.min(start + batch, end)));
  return batches;
}

/** The output that the loss looks at first, where it is of shape [samples, classes]. */
function classifierOutput({ loss, outputs }: Manifest): string | undefined {
  const first = loss.terms[0]?.output;
  return outputs.find(({ name, shape }) => name === first && shape.length === 2 && shape[1] !== 1)?.name;
}

function countCorrect(scores: Tensor, labels: Int32Array): number {
  const values = viewAs(scores, "float32");
  const classes = values.length / labels.length;
  let correct = 0;
  for (let sample = 0; sample < labels.length; sample++) {
    let best = 0;
    const start = sample * classes;
    for (let k = 1; k < classes; k++)
      if ((values[start + k] as number) > (values[start + best] as number)) best = k;
    if (best === labels[sample]) correct++;
  }
  return correct;
}
