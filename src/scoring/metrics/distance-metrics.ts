import { dataError } from "../../errors.ts";
import { addNoise, boundedDecibels, cosineOf, type NoiseSums } from "../../tensor/agreement.ts";
import { type Numbers, readNumbers } from "../../tensor/read-numbers.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { Metric, MetricBatch } from "./metric.ts";

/** An output, and the array of the data that it is compared with; undefined: the float model's. */
export interface DistanceTarget {
  output: string;
  target: string | undefined;
}

/** The values of each sample of an output beside those that are wanted. */
function pairs(
  { size, outputs, reference, targets }: MetricBatch,
  { output, target }: DistanceTarget,
): [Numbers, Numbers][] {
  const found = outputs[output] as Tensor;
  const wanted = (target === undefined ? reference?.[output] : targets?.[target]) as Tensor;
  const [own, other] = [readNumbers(found), readNumbers(wanted)];
  if (own.length !== other.length) {
    throw dataError(
      "target-shape",
      `Output "${output}" has the shape [${found.dims.join(", ")}], and what it is compared with [${wanted.dims.join(", ")}]`,
      output,
      "Give one value for each that the output has.",
    );
  }
  const samples = found.dims[0] === size ? size : 1;
  const width = own.length / samples;
  return Array.from({ length: samples }, (_, sample) => {
    const [from, to] = [sample * width, (sample + 1) * width];
    return [own.subarray(from, to), other.subarray(from, to)];
  });
}

const facts = ({ output, target }: DistanceTarget) => ({
  outputs: [output],
  arrays: target === undefined ? [] : [target],
  fromFloat: target === undefined,
});

/** Signal to noise over all elements, in dB. */
export const sqnr = (name: string, target: DistanceTarget): Metric<NoiseSums> => ({
  name,
  better: "higher",
  ...facts(target),
  measure: (batch) =>
    pairs(batch, target).map(([found, wanted]) => {
      const sums = { signal: 0, noise: 0 };
      addNoise(sums, wanted, found);
      return sums;
    }),
  combine: (entries) =>
    boundedDecibels({
      signal: entries.reduce((sum, { signal }) => sum + signal, 0),
      noise: entries.reduce((sum, { noise }) => sum + noise, 0),
    }),
});

/** Mean of the cosines of samples. */
export const cosine = (name: string, target: DistanceTarget): Metric<number> => ({
  name,
  better: "higher",
  ...facts(target),
  measure: (batch) =>
    pairs(batch, target).map(([found, wanted]) => cosineOf(wanted, found, 0, wanted.length)),
});

/** Mean of squared differences. */
export const meanSquaredError = (name: string, target: DistanceTarget): Metric<number> => ({
  name,
  better: "lower",
  ...facts(target),
  measure: (batch) =>
    pairs(batch, target).map(([found, wanted]) => {
      let sum = 0;
      for (let at = 0; at < wanted.length; at++) sum += ((found[at] as number) - (wanted[at] as number)) ** 2;
      return wanted.length === 0 ? 0 : sum / wanted.length;
    }),
});
