import { dataError } from "../errors.ts";
import type { OutputFacts } from "../ir/output-kinds.ts";
import { addNoise, cosineOf, indexOfLargest } from "../tensor/agreement.ts";
import { type Numbers, readNumbers } from "../tensor/read-numbers.ts";
import { elementCount, type Tensor } from "../tensor/tensor.ts";
import { layOutSamples, type SampleLayout, startOfPlace } from "./sample-layout.ts";

/** What one output of a model is worth on each sample; lists are empty where nothing was to compare with. */
export interface SampleScores {
  /** Samples seen. */
  samples: number;
  classes: number;
  /** Of samples with labels: 1 where the label has the largest output, or is among the five largest; cross-entropy. */
  right: number[];
  topFive: number[];
  loss: number[];
  labels: number[];
  /** Classes chosen, of samples with one place. */
  chosen: number[];
  /** Against the reference: sums of squares, cosine, share of places with the same class, share of equal elements. */
  signal: number[];
  noise: number[];
  cosine: number[];
  agreed: number[];
  equal: number[];
}

/** Adds up what a model's outputs are worth, batch by batch. */
export interface Tally {
  readonly facts: OutputFacts;
  readonly scores: SampleScores;
  /** `batch`: samples of the run. `reference`: the same output of the model to compare with. */
  add(output: Tensor, batch: number, labels?: Int32Array, reference?: Tensor): void;
}

/** A tally of an output of the kind that `facts` say. */
export function createTally(facts: OutputFacts): Tally {
  const scores: SampleScores = {
    samples: 0,
    classes: 0,
    right: [],
    topFive: [],
    loss: [],
    labels: [],
    chosen: [],
    signal: [],
    noise: [],
    cosine: [],
    agreed: [],
    equal: [],
  };
  return {
    facts,
    scores,
    add(output, batch, labels, reference) {
      const layout = layOutSamples(output.dims, batch, facts);
      const values = readNumbers(output);
      scores.samples += batch;
      scores.classes = Math.max(scores.classes, layout.classes);
      if (reference !== undefined) addCompared(scores, values, comparable(output, reference, facts), layout);
      if (layout.places === 1) addChosen(scores, values, layout);
      if (labels === undefined || layout.places !== 1 || layout.samples !== batch) return;
      for (let row = 0; row < batch; row++) {
        const start = row * layout.size;
        addLabelled(scores, values.subarray(start, start + layout.size), labels[row] as number, facts.kind);
      }
    },
  };
}

function comparable(output: Tensor, reference: Tensor, { name }: OutputFacts): Numbers {
  if (elementCount(output.dims) === elementCount(reference.dims)) return readNumbers(reference);
  throw dataError(
    "output-shape",
    `Output "${name}" has the shape [${output.dims.join(", ")}] in one model and [${reference.dims.join(", ")}] in the other`,
    name,
    "Give models of the same outputs, or choose another output with --output.",
  );
}

function addCompared(scores: SampleScores, values: Numbers, expected: Numbers, layout: SampleLayout): void {
  const { samples, size, places, classes, stride } = layout;
  for (let sample = 0; sample < samples; sample++) {
    const start = sample * size;
    const sums = { signal: 0, noise: 0 };
    addNoise(sums, expected, values, start, size);
    scores.signal.push(sums.signal);
    scores.noise.push(sums.noise);
    scores.cosine.push(cosineOf(expected, values, start, size));
    scores.equal.push(shareOfEqual(expected, values, start, size));
    let agreed = 0;
    for (let place = 0; place < places; place++) {
      const from = startOfPlace(layout, start, place);
      const [found, wanted] = [values, expected].map((all) => indexOfLargest(all, from, classes, stride));
      if (found === wanted) agreed++;
    }
    if (places > 0) scores.agreed.push(agreed / places);
  }
}

function shareOfEqual(a: Numbers, b: Numbers, start: number, length: number): number {
  let equal = 0;
  for (let i = start; i < start + length; i++) if (Object.is(a[i], b[i]) || a[i] === b[i]) equal++;
  return length === 0 ? 1 : equal / length;
}

function addChosen(scores: SampleScores, values: Numbers, { samples, size }: SampleLayout): void {
  for (let sample = 0; sample < samples; sample++)
    scores.chosen.push(indexOfLargest(values, sample * size, size));
}

function addLabelled(scores: SampleScores, row: Numbers, label: number, kind: OutputFacts["kind"]): void {
  const own = row[label];
  if (own === undefined) {
    throw dataError(
      "label-range",
      `A label is ${label}, but the model's output has ${row.length} classes`,
      undefined,
      "Use the data the model was made for, or --labels none.",
    );
  }
  let rank = 0;
  for (let index = 0; index < row.length; index++) {
    const score = row[index] as number;
    if (score > own || (score === own && index < label)) rank++;
  }
  scores.labels.push(label);
  scores.right.push(rank === 0 ? 1 : 0);
  scores.topFive.push(rank < 5 ? 1 : 0);
  scores.loss.push(crossEntropyOf(row, own, kind));
}

function crossEntropyOf(row: Numbers, own: number, kind: OutputFacts["kind"]): number {
  if (kind === "probabilities") return -Math.log(Math.max(own, 1e-30));
  return kind === "log-probabilities" ? -own : logSumExp(row) - own;
}

function logSumExp(row: Numbers): number {
  let most = -Infinity;
  for (const score of row) most = Math.max(most, score);
  let sum = 0;
  for (const score of row) sum += Math.exp(score - most);
  return most + Math.log(sum);
}
