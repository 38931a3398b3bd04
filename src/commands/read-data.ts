import { usageError } from "../errors.ts";
import { type CustomMetric, type DataSpec, type MetricRequest, parseMetrics } from "../workflows/index.ts";
import { readBatchAxes, readColumns, readSetInputs } from "./read-inputs.ts";
import type { OptionReader } from "./option-reader.ts";

/** The data specification of --data, or of another path, and the options that go with it. */
export function readDataSpec(options: OptionReader, path = options.needText("data")): DataSpec {
  const spec: DataSpec = { path };
  const split = options.text("split");
  if (split === "train" || split === "test") spec.split = split;
  const labels = options.text("labels");
  if (labels !== undefined) spec.labels = labels;
  const targets = options.text("targets");
  if (targets !== undefined) spec.targets = targets;
  return Object.assign(spec, readPreprocessing(options));
}

/** --metric and --characters, and functions of a caller's own. */
export function readMetrics(
  options: OptionReader,
  custom: readonly CustomMetric[] = [],
): MetricRequest | undefined {
  const [text, characters] = [options.text("metric"), options.text("characters")];
  if (text === undefined && custom.length === 0) return undefined;
  return { asked: text === undefined ? [] : parseMetrics(text), characters, custom };
}

/** The specification of --test: the data of that path, preprocessed like --data. */
export function readTestSpec(options: OptionReader): DataSpec | undefined {
  const path = options.text("test");
  if (path === undefined) return undefined;
  const labels = options.text("labels") === "none" ? { labels: "none" } : {};
  return { path, split: "test", ...labels, ...readPreprocessing(options) };
}

function readPreprocessing(options: OptionReader): Partial<DataSpec> {
  const spec: Partial<DataSpec> = {};
  const mean = options.numbers("mean");
  const std = options.numbers("std", { min: 0, open: true });
  const resize = options.size("resize");
  const crop = options.size("crop");
  const layout = options.text("layout");
  if (mean !== undefined) spec.mean = mean;
  if (std !== undefined) spec.std = std;
  if (resize !== undefined) spec.resize = resize;
  if (crop !== undefined) spec.crop = crop;
  const timeout = options.number("data-timeout", { min: 0, max: 1e6, open: true });
  if (timeout !== undefined) spec.timeout = timeout;
  if (layout === "nchw" || layout === "nhwc") spec.layout = layout;
  const batchAxes = readBatchAxes(options);
  const set = readSetInputs(options);
  const columns = readColumns(options);
  const tokenizer = options.text("tokenizer");
  if (tokenizer !== undefined) spec.tokenizer = tokenizer;
  const preprocess = options.text("preprocess");
  if (preprocess !== undefined) spec.preprocess = preprocess;
  const sampleRate = options.number("sample-rate", { min: 1, integer: true });
  if (sampleRate !== undefined) spec.sampleRate = sampleRate;
  const length = options.number("length", { min: 1, integer: true });
  if (length !== undefined) spec.length = length;
  const images = options.text("images");
  if (columns !== undefined) spec.columns = columns;
  if (images !== undefined) spec.images = images;
  if (batchAxes !== undefined) spec.batchAxes = batchAxes;
  if (set !== undefined) spec.set = set;
  return spec;
}

/** --augment: "flip", "crop=2", or both. */
export function readAugment(options: OptionReader): { flip: boolean; crop: number } | undefined {
  const words = options.words("augment");
  if (words === undefined) return undefined;
  const augment = { flip: false, crop: 0 };
  for (const word of words) {
    const crop = /^crop=(\d+)$/.exec(word)?.[1];
    if (word === "flip") augment.flip = true;
    else if (crop !== undefined) augment.crop = Number(crop);
    else {
      throw usageError(
        "augment",
        `The value of --augment has the part "${word}"`,
        "--augment",
        "Give flip, crop=PIXELS, or both separated by a comma.",
      );
    }
  }
  return augment;
}
