import { formatBytes, formatMilliseconds, formatNumber, formatPercent } from "./format.ts";
import type { Report, Score } from "./report-data.ts";

const titles: Readonly<Record<Score["model"], string>> = {
  float: "float",
  ptq: "post-training quantization",
  efqat: "EfQAT",
  model: "model",
  reference: "reference",
};

/** Measures of each model side by side; columns without any value are left out. First row: the head. */
export function summaryTable(report: Report): string[][] {
  const scores = report.scores ?? [];
  const columns: { head: string; cell: (score: Score) => string | undefined }[] = [
    { head: "top-1", cell: ({ top1 }) => percent(top1) },
    { head: "top-5", cell: ({ top5 }) => percent(top5) },
    { head: "loss", cell: ({ loss }) => (loss === undefined ? undefined : formatNumber(loss)) },
    { head: "SQNR", cell: ({ sqnr }) => (sqnr === undefined ? undefined : `${sqnr.toFixed(1)} dB`) },
    { head: "agreement", cell: ({ agreement }) => percent(agreement) },
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

const percent = (fraction: number | undefined): string | undefined =>
  fraction === undefined ? undefined : formatPercent(fraction);

/** The model whose file the command wrote. */
const written = (report: Report): Score["model"] => (report.command === "quantize" ? "ptq" : "efqat");

function sizeOf(report: Report, model: Score["model"]): string | undefined {
  if (model === "float" || model === "model") return formatBytes(report.model.bytes);
  return model === written(report) && report.output ? formatBytes(report.output.bytes) : undefined;
}

function latencyOf(report: Report, model: Score["model"]): string | undefined {
  if (report.latency === undefined) return undefined;
  if (model === "float") return formatMilliseconds(report.latency.floatMs);
  return model === written(report) ? formatMilliseconds(report.latency.quantizedMs) : undefined;
}

function integerShareOf(report: Report, model: Score["model"]): string | undefined {
  if (report.audit === undefined || report.audit.totalMacs === 0 || model !== written(report))
    return undefined;
  return formatPercent(report.audit.integerMacs / report.audit.totalMacs);
}
