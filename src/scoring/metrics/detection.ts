import { dataError, usageError } from "../../errors.ts";
import type { OutputFacts } from "../../ir/output-kinds.ts";
import { indexOfLargest } from "../../tensor/agreement.ts";
import { readNumbers, type Numbers } from "../../tensor/read-numbers.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import {
  averagePrecision,
  type Box,
  type Detection,
  matchPicture,
  type PictureEntry,
  suppress,
  type Truth,
} from "./average-precision.ts";
import type { Metric, MetricBatch } from "./metric.ts";

/** The outputs of a detector: boxes, and what says how sure it is of them and what they are of. */
export interface DetectionHead {
  boxes: string;
  /** Undefined where a row of `boxes` holds [4 coordinates, score, class]. */
  scores: string | undefined;
  classes: string | undefined;
  /** Boxes are [centre x, centre y, width, height] instead of [left, top, right, bottom]. */
  centre: boolean;
  /** The float model's boxes of at least this score are what is there, where no data tell. */
  sure: number;
  /** Arrays of what is there, [samples, most, 4] and [samples, most]; undefined: the float model's. */
  truth: { boxes: string; classes: string } | undefined;
}

type Facts = Pick<OutputFacts, "name" | "shape" | "kind">;

const rank = ({ shape }: Facts): number => shape?.length ?? 0;
const width = ({ shape }: Facts): unknown => shape?.at(-1);

/**
 * The boxes, scores and classes among a model's outputs: [samples, n, 4] and [samples, n] or [samples, n, classes], or one
 * output [samples, n, 6]; the first dimension may be missing.
 */
export function findHead(outputs: readonly Facts[]): Pick<DetectionHead, "boxes" | "scores" | "classes"> {
  const rows = outputs.filter((output) => rank(output) >= 2 && rank(output) <= 3);
  const whole = rows.find((output) => width(output) === 6);
  const four = rows.filter((output) => width(output) === 4);
  const boxes = four.find(({ name }) => /box/i.test(name)) ?? four[0];
  if (boxes === undefined) {
    if (whole !== undefined) return { boxes: whole.name, scores: undefined, classes: undefined };
    throw noHead(outputs, "an output of four coordinates in a row");
  }
  const rest = outputs.filter((output) => output !== boxes);
  const flat = rest.filter((output) => rank(output) === rank(boxes) - 1);
  const scores =
    rest.find(({ name, kind }) => /score|conf|prob|logit/i.test(name) && kind !== "integers") ??
    rest.find((output) => rank(output) === rank(boxes) && output.kind !== "integers") ??
    flat.find(({ kind }) => kind !== "integers");
  if (scores === undefined) throw noHead(outputs, "an output of scores beside the boxes");
  const classes =
    flat.find((output) => output.kind === "integers") ??
    flat.find((output) => output !== scores && /class|label/i.test(output.name));
  const own = rank(scores) === rank(boxes) ? undefined : classes?.name;
  return { boxes: boxes.name, scores: scores.name, classes: own };
}

const noHead = (outputs: readonly Facts[], what: string) =>
  usageError(
    "metric",
    `Average precision needs ${what}, and the model has ${outputs.map(({ name, shape }) => `"${name}" [${(shape ?? ["?"]).join(", ")}]`).join(", ")}`,
    "--metric map",
    "Export the model with boxes [samples, n, 4] and scores [samples, n], or choose another metric.",
  );

/** Heads of more boxes than this are raw: overlapping boxes of one object are left out but for the best. */
const mostFinished = 1000;
const [mostOverlap, mostRaw] = [0.6, 1000];

/** Average precision over thresholds of overlap, as COCO defines it. */
export function detectionPrecision(
  name: string,
  head: DetectionHead,
  overlaps: readonly number[],
): Metric<PictureEntry> {
  const outputs = [head.boxes, head.scores, head.classes].filter((each) => each !== undefined);
  const { truth } = head;
  return {
    name,
    better: "higher",
    outputs,
    fromFloat: truth === undefined,
    arrays: truth === undefined ? [] : [truth.boxes, truth.classes],
    measure(batch) {
      const found = readDetections(batch.outputs, head, batch.size);
      const there = truth === undefined ? sureOf(batch, head) : readTruth(batch, head, truth);
      return found.map((each, sample) => matchPicture(each, there[sample] ?? [], overlaps));
    },
    combine(entries) {
      const value = averagePrecision(entries, overlaps.length);
      return Number.isNaN(value) ? 0 : value;
    },
  };
}

const sureOf = ({ reference = {}, size }: MetricBatch, head: DetectionHead): Truth[][] =>
  readDetections(reference, head, size).map((each) => each.filter(({ score }) => score >= head.sure));

function readTruth(
  { targets = {}, size }: MetricBatch,
  head: DetectionHead,
  truth: NonNullable<DetectionHead["truth"]>,
): Truth[][] {
  const [boxes, classes] = [truth.boxes, truth.classes].map((each) => readNumbers(targets[each] as Tensor));
  const most = (classes as Numbers).length / size;
  if ((boxes as Numbers).length !== 4 * (classes as Numbers).length)
    throw dataError(
      "target-shape",
      `The arrays "${truth.boxes}" and "${truth.classes}" do not hold four coordinates for each class`,
      undefined,
      "Give boxes [samples, most, 4] and classes [samples, most], -1 where there is no box.",
    );
  return Array.from({ length: size }, (_, sample) =>
    Array.from({ length: most }, (_row, row) => ({
      label: (classes as Numbers)[sample * most + row] as number,
      box: boxAt(boxes as Numbers, 4 * (sample * most + row), head.centre),
    })).filter(({ label }) => label >= 0),
  );
}

function boxAt(values: Numbers, at: number, centre: boolean): Box {
  const [a = 0, b = 0, c = 0, d = 0] = values.subarray(at, at + 4);
  return centre ? [a - c / 2, b - d / 2, a + c / 2, b + d / 2] : [a, b, c, d];
}

function readDetections(
  outputs: Readonly<Record<string, Tensor>>,
  head: DetectionHead,
  size: number,
): Detection[][] {
  const tensors = [head.boxes, head.scores, head.classes].map((name) =>
    name === undefined ? undefined : outputs[name],
  );
  const [boxes, scores, classes] = tensors.map((tensor) => tensor && readNumbers(tensor));
  const step = head.scores === undefined ? 6 : 4;
  const count = (boxes as Numbers).length / step / size;
  if (!Number.isInteger(count)) throw otherSize(head.boxes, size);
  const width = scores === undefined || count === 0 ? 1 : scores.length / (count * size);
  return Array.from({ length: size }, (_, sample) => {
    const found = Array.from({ length: count }, (_row, row): Detection => {
      const at = sample * count + row;
      const box = boxAt(boxes as Numbers, at * step, head.centre);
      if (scores === undefined) {
        const [score = 0, label = 0] = (boxes as Numbers).subarray(at * step + 4, at * step + 6);
        return { box, score, label };
      }
      const own = scores.subarray(at * width, (at + 1) * width);
      const best = indexOfLargest(own, 0, own.length);
      return { box, score: own[best] as number, label: classes?.[at] ?? best };
    });
    if (count <= mostFinished) return found;
    const likely = found.sort((a, b) => b.score - a.score).slice(0, mostRaw);
    return suppress(likely, mostOverlap);
  });
}

const otherSize = (name: string, size: number) =>
  dataError(
    "output-shape",
    `Output "${name}" does not tell the boxes of ${size} samples apart`,
    name,
    "Give --batch 1.",
  );
