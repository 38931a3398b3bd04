import { readFile } from "node:fs/promises";
import { noSuchTarget } from "../../data/targets.ts";
import { usageError } from "../../errors.ts";
import { indexGraph } from "../../ir/graph.ts";
import { isFloatOutput } from "../../ir/judged-output.ts";
import { finalActivation, findOutputKinds, type OutputFacts } from "../../ir/output-kinds.ts";
import { cocoOverlaps } from "../../scoring/metrics/average-precision.ts";
import { meanIoU, topK } from "../../scoring/metrics/class-metrics.ts";
import { detectionPrecision, findHead } from "../../scoring/metrics/detection.ts";
import { cosine, meanSquaredError, sqnr } from "../../scoring/metrics/distance-metrics.ts";
import type { AskedMetric, Metric } from "../../scoring/metrics/metric.ts";
import { metricNames } from "../../scoring/metrics/parse-metrics.ts";
import type { ClassOutput } from "../../scoring/metrics/places.ts";
import { errorRate, type TextOutput } from "../../scoring/metrics/text-metrics.ts";
import { samplesAxisOf } from "../losses/label-sequences.ts";
import type { MetricSubject } from "./subject.ts";
import { openModelMetric } from "./model-metric.ts";
import { openModuleMetric } from "./module-metric.ts";

/**
 * Opens metrics for a model and its data. Throws a UserError where an output, a target or a file is missing or of another
 * kind. Release them: models among them hold native memory.
 */
export async function openMetrics(asked: readonly AskedMetric[], subject: MetricSubject): Promise<Metric[]> {
  const metrics: Metric[] = [];
  try {
    for (const each of asked) {
      const metric = await openMetric(each, subject);
      metrics.push(metric);
      for (const array of metric.arrays) {
        const { targets, name } = subject.dataset;
        if (targets?.names.includes(array) !== true) throw noSuchTarget(array, targets?.names ?? [], name);
        await targets.shapeOf(array);
      }
      if (metric.fromFloat === true && subject.alone === true)
        throw usageError(
          "metric",
          `The metric ${each.text} compares with the float model, and none is given`,
          "--metric",
          "Judge by labels, by an array of the data (--metric NAME@ARRAY) or against a model.",
        );
    }
    return metrics;
  } catch (error) {
    await releaseMetrics(metrics);
    throw error;
  }
}

export async function releaseMetrics(metrics: readonly Metric[]): Promise<void> {
  for (const metric of metrics) await metric.release?.();
}

async function openMetric(asked: AskedMetric, subject: MetricSubject): Promise<Metric> {
  if (asked.file !== undefined) {
    const open = /\.onnx$/i.test(asked.file) ? openModelMetric : openModuleMetric;
    return open(asked, subject);
  }
  const row = metricNames.find((name) => name === asked.name);
  if (row === undefined) throw usageError("metric", `There is no metric "${asked.text}"`, "--metric");
  const outputs = findOutputKinds(subject.model, {
    labelled: subject.dataset.hasLabels ? subject.judged : undefined,
  });
  const target = targetOf(asked, subject);
  const { text } = asked;
  switch (row) {
    case "top1":
    case "top5":
      return topK(text, row === "top1" ? 1 : 5, classOutput(outputs, asked, subject), { target });
    case "miou":
      return meanIoU(text, classOutput(outputs, asked, subject), { target });
    case "sqnr":
    case "cosine":
    case "mse": {
      const { name } = outputOf(outputs, asked, subject);
      const make = { sqnr, cosine, mse: meanSquaredError }[row];
      return make(text, { output: name, target: asked.target });
    }
    case "map":
    case "map50":
      return detection(outputs, asked, subject);
    case "cer":
    case "wer":
      return errorRate(text, await textOutput(outputs, asked, subject), { words: row === "wer" });
  }
}

/** Labels, or an array, where they are asked for; labels too where the judged output has them and nobody asks. */
function targetOf(
  { target, output, text, name = "" }: AskedMetric,
  { dataset, judged }: MetricSubject,
): string | undefined {
  const top = name.startsWith("top");
  if (target === undefined)
    return top && dataset.hasLabels && (output ?? judged) === judged ? "labels" : undefined;
  if (target !== "labels" || (dataset.hasLabels && top)) return target;
  throw usageError(
    "metric",
    `The metric ${text} compares with labels${dataset.hasLabels ? ", which say nothing of places in a sample" : ", and the data has none"}`,
    "--metric",
    "Give an array of the data (--metric NAME@ARRAY), or leave the target out to compare with the float model.",
  );
}

function outputOf(
  outputs: readonly OutputFacts[],
  { output, text }: AskedMetric,
  { judged }: MetricSubject,
): OutputFacts {
  const wanted = output ?? judged;
  const found = outputs.find(({ name, kind }) => name === wanted && kind !== "other");
  if (found !== undefined) return found;
  throw usageError(
    "metric",
    `The metric ${text} is of the output "${wanted}", and the model has no such output`,
    "--metric",
    `It has ${outputs.map(({ name }) => `"${name}"`).join(", ")}.`,
  );
}

function classOutput(
  outputs: readonly OutputFacts[],
  asked: AskedMetric,
  subject: MetricSubject,
): ClassOutput {
  const facts = outputOf(outputs, asked, subject);
  const { name, kind, shape, classAxis } = facts;
  if (!isFloatOutput(facts) && kind !== "integers")
    throw usageError("metric", `Output "${name}" holds no classes`, "--metric", "Choose another output.");
  const index = indexGraph(subject.model.graph);
  const probability = finalActivation(name, { index }, ["Sigmoid", "Softmax"]) !== undefined;
  return {
    name,
    kind,
    shape,
    ...(classAxis === undefined ? {} : { classAxis }),
    threshold: probability ? 0.5 : 0,
  };
}

function detection(outputs: readonly OutputFacts[], asked: AskedMetric, subject: MetricSubject): Metric {
  const head = findHead(outputs);
  const index = indexGraph(subject.model.graph);
  const scores = outputs.find(({ name }) => name === head.scores);
  const odds =
    scores !== undefined &&
    /logit/i.test(scores.name) &&
    finalActivation(scores.name, { index }, ["Sigmoid", "Softmax"]) === undefined;
  const names = subject.dataset.targets?.names ?? [];
  const classes = ["classes", "labels"].find((name) => names.includes(name));
  const truth = names.includes("boxes") && classes !== undefined ? { boxes: "boxes", classes } : undefined;
  const overlaps = asked.name === "map50" ? [0.5] : cocoOverlaps;
  const whole = { ...head, centre: asked.variant === "centre", sure: odds ? 0 : 0.5, truth };
  return detectionPrecision(asked.text, whole, overlaps);
}

async function textOutput(
  outputs: readonly OutputFacts[],
  asked: AskedMetric,
  subject: MetricSubject,
): Promise<TextOutput> {
  const { name, kind, shape, classAxis } = outputOf(outputs, asked, subject);
  const lines = subject.characters === undefined ? undefined : await readCharacters(subject.characters);
  if (asked.name === "wer" && lines === undefined)
    throw usageError("metric", "Words are told by their spaces", "--metric wer", "Give --characters FILE.");
  const facts = {
    name,
    kind,
    shape,
    target: asked.target,
    samplesAxis: samplesAxisOf(subject.model.graph, shape ?? []),
    ...(classAxis === undefined ? {} : { classAxis }),
  };
  if (kind === "integers") return { ...facts, blank: undefined, characters: lines };
  const classes = shape?.at(classAxis ?? -1);
  if (shape?.length !== 3)
    throw usageError(
      "metric",
      `Text is read from scores [samples, steps, classes] or [steps, samples, classes], or token ids, and output "${name}" has [${(shape ?? ["?"]).join(", ")}]`,
      "--metric",
      "Choose another output with --metric OUTPUT=cer.",
    );
  const last = asked.variant === "blank-last";
  if (last && typeof classes !== "number")
    throw usageError("metric", `The number of classes of "${name}" is not known`, "--metric");
  const blank = last ? (classes as number) - 1 : 0;
  return {
    ...facts,
    blank,
    characters: lines && charactersOf(lines, classes, last, subject.characters ?? ""),
  };
}

/** A file of characters has one a line; longer files are none. */
const mostCharacters = 1 << 20;

async function readCharacters(file: string): Promise<string[]> {
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    throw usageError(
      "characters",
      `The characters cannot be read: ${String(error)}`,
      file,
      "Check the path.",
    );
  });
  if (text.length > mostCharacters)
    throw usageError("characters", "The file holds more than characters", file, "Give one character a line.");
  return text.replace(/\r?\n$/, "").split(/\r?\n/);
}

/** What each class stands for: the blank first or last, and where one more is left, a space behind the others. */
function charactersOf(lines: readonly string[], classes: unknown, last: boolean, file: string): string[] {
  const more = typeof classes === "number" ? classes - lines.length : 1;
  if (more !== 1 && more !== 2)
    throw usageError(
      "characters",
      `There are ${lines.length} characters, and the output tells ${String(classes)} classes apart`,
      file,
      "Give one character a line for every class but the blank (and the space behind them).",
    );
  const all = more === 2 ? [...lines, " "] : [...lines];
  return last ? [...all, ""] : ["", ...all];
}
