import type { Dataset } from "../../data/dataset.ts";
import type { Session } from "../../runtime/session.ts";
import { type Tensor, viewAs } from "../../tensor/tensor.ts";
import { dataPorts, type Manifest } from "../artifact/manifest.ts";
import { feedsFor, type TrainingState } from "../state.ts";
import { targetsOf } from "./targets.ts";

/** Mean loss, and top-1 accuracy where there are labels and a classifier, of a state on a data set. */
export async function evaluateState(
  manifest: Manifest,
  sessions: { evaluation: Session; teacher: Session | undefined },
  state: TrainingState,
  dataset: Dataset,
): Promise<{ loss: number; accuracy: number | null }> {
  const parameters = parameterFeeds(manifest, sessions.evaluation, state);
  const scores = classifierOutput(manifest);
  let loss = 0;
  let correct = 0;
  let seen = 0;
  for (const indices of evaluationBatches(manifest, dataset.length)) {
    const batch = await dataset.read(indices);
    const targets = await targetsOf(manifest, batch, sessions.teacher);
    const fetches = scores === undefined ? ["loss"] : ["loss", scores];
    const outputs = await sessions.evaluation.run({ ...parameters, ...batch.inputs, ...targets }, fetches);
    loss += (viewAs(outputs["loss"] as Tensor, "float32")[0] as number) * batch.size;
    if (scores !== undefined && batch.labels !== undefined)
      correct += countCorrect(outputs[scores] as Tensor, batch.labels);
    seen += batch.size;
  }
  const accuracy = scores === undefined || !dataset.hasLabels ? null : correct / seen;
  return { loss: loss / seen, accuracy };
}

/** Sample indices per batch. A model of fixed batch size gets full batches only; a set smaller than one is gone round again. */
function evaluationBatches(manifest: Manifest, samples: number): number[][] {
  const { batch } = manifest;
  const open = manifest.inputs.every(({ shape }) => typeof shape[0] === "string");
  const range = (start: number, end: number): number[] =>
    Array.from({ length: end - start }, (_, index) => (start + index) % samples);
  const batches: number[][] = [];
  if (samples < batch) return [open ? range(0, samples) : range(0, batch)];
  const end = open ? samples : samples - (samples % batch);
  for (let start = 0; start < end; start += batch) batches.push(range(start, Math.min(start + batch, end)));
  return batches;
}

function parameterFeeds(manifest: Manifest, session: Session, state: TrainingState): Record<string, Tensor> {
  const fed = new Set(dataPorts(manifest).map(({ name }) => name));
  return feedsFor({ inputs: session.inputs.filter(({ name }) => !fed.has(name)) }, state);
}

/** The first output of shape [samples, classes]. */
function classifierOutput(manifest: Manifest): string | undefined {
  return manifest.outputs.find(
    ({ type, shape }) => type === "float32" && shape.length === 2 && shape[1] !== 1,
  )?.name;
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
