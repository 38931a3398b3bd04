import { formatNumber, formatPercent } from "./format.ts";
import { histogramChart } from "./histogram-chart.ts";
import { type Cell, folded, htmlTable, paragraph, section } from "./html-parts.ts";
import { lineChart } from "./line-chart.ts";
import type { LayerwiseSection, Report } from "./report-data.ts";

/** Most rows of a table with a picture in each: a page stays below 3 MB. */
const mostRows = 600;

/** The written file against the float model, layer by layer. */
export function layerSections({ layerwise, quantization }: Report): string {
  if (layerwise === undefined || layerwise.weights.length + layerwise.activations.length === 0) return "";
  const { samples, activations } = layerwise;
  const note = `Signal to quantization noise against the float model, on ${samples} samples. Alone: only the layer itself is quantized, its inputs are the float model's. Accumulated: all layers before it are quantized, too. Histograms count on a logarithmic scale; the grey ground is what the codes hold, what lies beside it is clipped.`;
  return section(
    "Layer by layer",
    [
      paragraph(note),
      sqnrChart(activations),
      folded("Activations: SQNR, ranges, share clipped, histograms", activationTable(activations)),
      folded("Weights: SQNR, ranges, share clipped, histograms", weightTable(layerwise, quantization)),
    ].join("\n"),
  );
}

function sqnrChart(activations: LayerwiseSection["activations"]): string {
  const points = (of: "alone" | "accumulated") =>
    activations.map((each, index) => [index + 1, each[of]] as const).filter(([, value]) => value < 200);
  return lineChart({
    title: "SQNR of quantized values, in the order of the model (dB)",
    x: { title: "quantized value" },
    y: { title: "dB" },
    series: [
      { title: "alone", points: points("alone"), dots: true },
      { title: "accumulated", points: points("accumulated"), dots: true },
    ],
  });
}

function activationTable(activations: LayerwiseSection["activations"]): string {
  const rows = activations
    .slice(0, mostRows)
    .map(({ value, op, weight, bits, alone, accumulated, range, clipped, histogram }): Cell[] => [
      value,
      weight === undefined ? op : `${op} ${weight}`,
      ...[String(bits), decibels(alone), decibels(accumulated), formatPercent(clipped), spell(range)],
      { markup: histogramChart(`Histogram of ${value}`, histogram, range) },
    ]);
  const head = ["value", "computed by", "bits", "alone", "accumulated", "clipped", "range", "histogram"];
  return htmlTable([head, ...rows], [1]) + leftOut(activations.length);
}

function weightTable({ weights }: LayerwiseSection, quantization: Report["quantization"]): string {
  const changed = new Map(
    quantization?.layers.map(({ weight, rows, changedRows }) => [
      weight,
      changedRows === undefined ? "-" : `${changedRows} of ${rows}`,
    ]),
  );
  const rows = weights
    .slice(0, mostRows)
    .map(({ weight, bits, sqnr, range, clipped, histogram }): Cell[] => [
      weight,
      ...[String(bits), decibels(sqnr), formatPercent(clipped), spell(range), changed.get(weight) ?? "-"],
      { markup: histogramChart(`Histogram of ${weight}`, histogram, range) },
    ]);
  const head = ["weight", "bits", "SQNR", "clipped", "range", "rows with new codes", "histogram"];
  return htmlTable([head, ...rows]) + leftOut(weights.length);
}

const leftOut = (count: number): string =>
  count > mostRows ? paragraph(`and ${count - mostRows} more; the JSON report (--json) has all.`) : "";

const decibels = (value: number): string => (value >= 200 ? "no difference" : `${value.toFixed(1)} dB`);

const spell = (range: readonly [number, number]): string =>
  range.map((end) => formatNumber(end, 3)).join(" to ");
