import { formatBytes, formatMilliseconds, formatNumber, formatPercent } from "./format.ts";
import type { Report, Score } from "./report-data.ts";

const titles: Readonly<Record<Score["model"], string>> = {
  float: "float",
  ptq: "post-training quantization",
  efqat: "EfQAT",
  model: "model",
  reference: "reference",
};

/** How wide half an interval may be and still be left out of a short table: a percentage point, a decibel. */
const narrow = { rate: 0.01, decibels: 1 };

/**
 * Measures of each model side by side; columns without any value are left out. First row: the head. 95 % intervals stand
 * beside values where they are wide, or everywhere with `intervals`.
 */
export function summaryTable(report: Report, { intervals = false } = {}): string[][] {
  const scores = report.scores ?? [];
  const rate = (name: "top1" | "top5" | "agreement" | "equal") => (score: Score) =>
    percent(score[name], score.intervals?.[name], intervals ? 0 : narrow.rate);
  const columns: { head: string; cell: (score: Score) => string | undefined }[] = [
    ...(report.judging?.metrics ?? []).map(({ name }) => ({
      head: name,
      cell: (score: Score) => metricOf(score, name, intervals),
    })),
    { head: "top-1", cell: rate("top1") },
    { head: "top-5", cell: rate("top5") },
    { head: "loss", cell: (score) => lossOf(score, intervals) },
    { head: "SQNR", cell: (score) => decibels(score, intervals ? 0 : narrow.decibels) },
    { head: "cosine", cell: ({ cosine }) => cosine?.toFixed(4) },
    { head: "agreement", cell: rate("agreement") },
    { head: "equal", cell: rate("equal") },
    { head: "size", cell: ({ model }) => sizeOf(report, model) },
    { head: "latency", cell: ({ model }) => latencyOf(report, model) },
    { head: "integer MACs", cell: ({ model }) => integerShareOf(report, model) },
  ];
  const used = columns.filter(({ cell }) => scores.some((score) => cell(score) !== undefined));
  return [
    ["", ...used.map(({ head }) => head)],
    ...scores.map((score) => [titles[score.model], ...used.map(({ cell }) => cell(score) ?? "-")]),
  ];
}

type Interval = readonly [number, number] | undefined;

const isWide = (interval: Interval, half: number): interval is readonly [number, number] =>
  interval !== undefined && interval[1] - interval[0] > 2 * half;

function percent(fraction: number | undefined, interval: Interval, half: number): string | undefined {
  if (fraction === undefined) return undefined;
  if (!isWide(interval, half)) return formatPercent(fraction);
  const [low, high] = interval.map((bound) => (100 * bound).toFixed(half === 0 ? 2 : 0));
  return `${formatPercent(fraction)} (${low} to ${high})`;
}

function decibels({ sqnr, intervals }: Score, half: number): string | undefined {
  if (sqnr === undefined) return undefined;
  if (sqnr >= 200) return "no difference";
  const interval = intervals?.sqnr;
  if (!isWide(interval, half)) return `${sqnr.toFixed(1)} dB`;
  const [low, high] = interval.map((bound) => bound.toFixed(half === 0 ? 1 : 0));
  return `${sqnr.toFixed(1)} dB (${low} to ${high})`;
}

function metricOf({ metrics = [] }: Score, wanted: string, always: boolean): string | undefined {
  const found = metrics.find(({ name }) => name === wanted);
  if (found === undefined) return undefined;
  const { value, interval } = found;
  if (!always || interval === undefined) return formatNumber(value);
  return `${formatNumber(value)} (${interval.map((bound) => formatNumber(bound, 3)).join(" to ")})`;
}

function lossOf({ loss, intervals }: Score, always: boolean): string | undefined {
  if (loss === undefined) return undefined;
  const interval = intervals?.loss;
  if (!always || interval === undefined) return formatNumber(loss);
  return `${formatNumber(loss)} (${interval.map((bound) => formatNumber(bound, 3)).join(" to ")})`;
}

/** Distances of outputs that are not judged, one row per model and output; undefined where there are none. */
export function otherOutputsTable({ scores = [] }: Report): string[][] | undefined {
  const rows = scores.flatMap(({ model, otherOutputs = [] }) =>
    otherOutputs.map(({ output, kind, sqnr, agreement, equal }) => [
      `${output} (${titles[model]})`,
      kind,
      sqnr === undefined ? "-" : sqnr >= 200 ? "no difference" : `${sqnr.toFixed(1)} dB`,
      formatPercent(agreement),
      formatPercent(equal),
    ]),
  );
  return rows.length === 0 ? undefined : [["other output", "holds", "SQNR", "agreement", "equal"], ...rows];
}

/** The model whose file the command wrote. */
const written = ({ output, command }: Report): Score["model"] =>
  output?.model !== undefined ? output.model : command === "quantize" ? "ptq" : "efqat";

function sizeOf(report: Report, model: Score["model"]): string | undefined {
  if (model === "float" || model === "model") return formatBytes(report.model?.bytes ?? 0);
  if (model === "ptq" && report.postTraining?.bytes !== undefined)
    return formatBytes(report.postTraining.bytes);
  return model === written(report) && report.output ? formatBytes(report.output.bytes) : undefined;
}

function latencyOf(report: Report, model: Score["model"]): string | undefined {
  if (report.latency === undefined) return undefined;
  if (model === "float") return formatMilliseconds(report.latency.floatMs);
  if (model === "ptq" && report.postTraining?.latencyMs !== undefined)
    return formatMilliseconds(report.postTraining.latencyMs);
  return model === written(report) ? formatMilliseconds(report.latency.quantizedMs) : undefined;
}

function integerShareOf(report: Report, model: Score["model"]): string | undefined {
  if (report.audit === undefined || report.audit.totalMacs === 0 || model !== written(report))
    return undefined;
  return formatPercent(report.audit.integerMacs / report.audit.totalMacs);
}
