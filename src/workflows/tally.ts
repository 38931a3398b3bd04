import { dataError } from "../errors.ts";
import type { Score } from "../report/report-data.ts";
import { addNoise, decibelsOf, indexOfLargest } from "../tensor/agreement.ts";

/** Adds up what a model's outputs are worth, batch by batch. */
export interface Tally {
  /** `values`: outputs of shape `dims`, samples first. `reference`: the same outputs of the model to compare with. */
  add(
    values: Float32Array,
    dims: readonly number[],
    labels: Int32Array | undefined,
    reference: Float32Array | undefined,
  ): void;
  result(): Omit<Score, "model">;
}

/** A tally of outputs that are logits, or probabilities. */
export function createTally(probabilities: boolean): Tally {
  const sum = {
    samples: 0,
    labelled: 0,
    top1: 0,
    top5: 0,
    loss: 0,
    agreed: 0,
    compared: 0,
    signal: 0,
    noise: 0,
  };
  let classes = 0;
  return {
    add(values, dims, labels, reference) {
      const size = dims[0] ?? 0;
      const width = size === 0 ? 0 : values.length / size;
      const classifier = dims.length === 2 && width > 1;
      classes = classifier ? width : 0;
      sum.samples += size;
      if (reference !== undefined) addNoise(sum, reference, values);
      if (!classifier) return;
      for (let row = 0; row < size; row++) {
        const scores = values.subarray(row * width, (row + 1) * width);
        if (reference !== undefined) {
          sum.compared++;
          const [found, wanted] = [values, reference].map((all) => indexOfLargest(all, row * width, width));
          if (found === wanted) sum.agreed++;
        }
        if (labels !== undefined) addLabelled(sum, scores, labels[row] as number, probabilities);
      }
    },
    result: () => ({
      samples: sum.samples,
      ...(sum.labelled > 0 ? { top1: sum.top1 / sum.labelled, loss: sum.loss / sum.labelled } : {}),
      ...(sum.labelled > 0 && classes > 5 ? { top5: sum.top5 / sum.labelled } : {}),
      ...(sum.compared > 0 ? { agreement: sum.agreed / sum.compared } : {}),
      ...(sum.noise > 0 && sum.signal > 0 ? { sqnr: decibelsOf(sum) } : {}),
    }),
  };
}

function addLabelled(
  sum: { labelled: number; top1: number; top5: number; loss: number },
  scores: Float32Array,
  label: number,
  probabilities: boolean,
): void {
  const own = scores[label];
  if (own === undefined) {
    throw dataError(
      "label-range",
      `A label is ${label}, but the model's output has ${scores.length} classes`,
      undefined,
      "Use the data the model was made for, or --labels none.",
    );
  }
  sum.labelled++;
  const rank = scores.reduce(
    (ahead, score, index) => ahead + (score > own || (score === own && index < label) ? 1 : 0),
    0,
  );
  if (rank === 0) sum.top1++;
  if (rank < 5) sum.top5++;
  sum.loss += probabilities ? -Math.log(Math.max(own, 1e-30)) : logSumExp(scores) - own;
}

function logSumExp(scores: Float32Array): number {
  const most = scores.reduce((a, b) => Math.max(a, b), -Infinity);
  return most + Math.log(scores.reduce((total, score) => total + Math.exp(score - most), 0));
}
