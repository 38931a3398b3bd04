import type { OutputFacts } from "../../ir/output-kinds.ts";
import { indexOfLargest } from "../../tensor/agreement.ts";
import { readNumbers } from "../../tensor/read-numbers.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { layOutSamples, startOfPlace } from "../sample-layout.ts";

/** What an output tells of classes at every place of a sample. */
export interface ClassOutput extends Pick<OutputFacts, "name" | "kind" | "shape" | "classAxis"> {
  /** What one-channel values are compared with to be foreground: 0 for logits, 0.5 for probabilities. */
  threshold: number;
}

/** Integers, and maps of one channel, hold one value for each place. */
export const isBinary = ({ kind, shape, classAxis }: ClassOutput): boolean =>
  kind !== "integers" && classAxis === undefined && (shape?.length ?? 0) > 3 && shape?.[1] === 1;

/** The axis of classes: as it is known, else the second of maps and the last of others. */
const axisOf = ({ classAxis, shape }: ClassOutput): number =>
  classAxis ?? ((shape?.length ?? 0) > 3 ? 1 : (shape?.length ?? 1) - 1);

/** The `k` classes of largest score at each place of each sample, best first; -1 where there are fewer. */
export function classesAt(tensor: Tensor, output: ClassOutput, size: number, k = 1): Int32Array[][] {
  const values = readNumbers(tensor);
  const single = output.kind === "integers" || isBinary(output);
  const layout = layOutSamples(tensor.dims, size, single ? {} : { classAxis: axisOf(output) });
  const places = single ? layout.size : layout.places;
  return Array.from({ length: layout.samples }, (_, sample) => {
    const start = sample * layout.size;
    return Array.from({ length: places }, (_place, place) => {
      const own = values[start + place] as number;
      if (output.kind === "integers") return Int32Array.of(own);
      if (single) return Int32Array.of(own > output.threshold ? 1 : 0);
      const from = startOfPlace(layout, start, place);
      if (k === 1) return Int32Array.of(indexOfLargest(values, from, layout.classes, layout.stride));
      return best(values, from, layout.classes, layout.stride, k);
    });
  });
}

function best(
  values: ArrayLike<number>,
  from: number,
  classes: number,
  stride: number,
  k: number,
): Int32Array {
  const order = Array.from({ length: classes }, (_, index) => index);
  const at = (index: number): number => values[from + index * stride] as number;
  order.sort((a, b) => at(b) - at(a) || a - b);
  return Int32Array.from({ length: k }, (_, rank) => order[rank] ?? -1);
}
