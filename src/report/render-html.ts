import { barChart } from "./bar-chart.ts";
import { printableData } from "../printable.ts";
import { escapeHtml } from "./escape-html.ts";
import { formatBytes, formatNumber, formatPercent, formatSeconds } from "./format.ts";
import { lineChart, type LineChart } from "./line-chart.ts";
import { layerTable, operatorTable } from "./profile-tables.ts";
import { renderFailureText, renderText } from "./render-text.ts";
import { type FailedReport, isFailed, type Report, type Score } from "./report-data.ts";
import { describeComparison, describeSamples } from "./describe-results.ts";
import { otherOutputsTable, summaryTable } from "./summary.ts";

const style = `
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; margin: 0.5rem 0; } th, td { padding: 0.2rem 0.8rem; border-bottom: 1px solid #ddd; text-align: right; }
th:first-child, td:first-child { text-align: left; } td.text, th.text { text-align: left; }
pre { background: #f5f5f5; padding: 0.8rem; overflow-x: auto; } figure { margin: 1rem 0; }
.warning { background: #fff4d6; padding: 0.6rem 0.8rem 0.6rem 2rem; } figcaption { font-weight: 600; } svg { max-width: 100%; height: auto; }
`;

/** The report as one HTML page that loads nothing: tables and inline SVG charts. */
export function renderHtml(report: Report | FailedReport): string {
  return isFailed(report) ? renderFailure(printableData(report)) : renderReport(printableData(report));
}

function renderFailure(report: FailedReport): string {
  const { error, command } = report;
  return page(`efqat ${command} failed`, [
    `<p>${escapeHtml(renderFailureText(report))}</p>`,
    section("Error", keyTable(error)),
    section("Options", keyTable(report.options)),
    footer(report),
  ]);
}

function renderReport(report: Report): string {
  const title = `efqat ${report.command}: ${(report.model ?? report.output)?.path ?? ""}`;
  return page(title, [
    warningSection(report),
    resultSection(report),
    accuracyChart(report.scores ?? []),
    trainingCharts(report),
    section("Summary", `<pre>${escapeHtml(renderText(report))}</pre>`),
    profileSection(report),
    memorySection(report),
    stageSection(report),
    layerSection(report),
    reasonSection("Nodes left in float", report.quantization?.float),
    reasonSection("Nodes on float kernels", report.audit?.floatNodes),
    reasonSection("Quantizers that save nothing", report.audit?.idleQuantizers),
    reasonSection("Integer kernels that compute something else", report.audit?.faults),
    verificationSection(report),
    reasonSection("Nodes replaced by a quantizer's saturation", report.quantization?.dropped),
    reasonSection("Nodes that do not train", report.support ?? report.training?.untrainable),
    dataSection(report),
    section("Options", keyTable(report.options)),
    footer(report),
  ]);
}

const footer = ({ tool }: Pick<Report, "tool">): string =>
  `<p>efqat ${escapeHtml(tool.version)}, ONNX Runtime ${escapeHtml(tool.runtime)}, Node ${escapeHtml(tool.node)}</p>`;

const page = (title: string, sections: readonly string[]): string =>
  `<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="generator" content="efqat"><title>${escapeHtml(title)}</title>` +
  `<style>${style}</style></head><body>\n<h1>${escapeHtml(title)}</h1>\n${sections.filter((part) => part !== "").join("\n")}\n</body></html>\n`;

/** Warnings first: what is said here may turn what the tables say around. */
function warningSection({ warnings }: Report): string {
  if (warnings.length === 0) return "";
  const items = warnings.map((warning) => `<li>${escapeHtml(warning)}</li>`);
  return section("Warnings", `<ul class="warning">${items.join("")}</ul>`);
}

function resultSection(report: Report): string {
  if (!report.scores?.length) return "";
  const others = otherOutputsTable(report);
  const notes = [describeSamples(report), describeComparison(report)]
    .filter((note) => note !== undefined)
    .map((note) => `<p>${escapeHtml(note)}</p>`);
  const table = htmlTable(summaryTable(report, { intervals: true }));
  return section(
    "Results",
    [table, "<p>In brackets: 95 % intervals over the draw of samples.</p>", ...notes].join("\n") +
      (others === undefined ? "" : htmlTable(others, [1])),
  );
}

const section = (title: string, body: string): string => `<h2>${escapeHtml(title)}</h2>\n${body}`;

function htmlTable(rows: readonly (readonly string[])[], textColumns: readonly number[] = []): string {
  const cells = (row: readonly string[], tag: string): string =>
    row
      .map((cell, column) => {
        const kind = textColumns.includes(column) ? ' class="text"' : "";
        return `<${tag}${kind}>${escapeHtml(cell)}</${tag}>`;
      })
      .join("");
  const [head = [], ...body] = rows;
  return `<table><tr>${cells(head, "th")}</tr>${body.map((row) => `<tr>${cells(row, "td")}</tr>`).join("")}</table>`;
}

function accuracyChart(scores: readonly Score[]): string {
  const bars = scores
    .filter(({ top1 }) => top1 !== undefined)
    .map(({ model, top1 = 0 }) => ({ title: model, value: top1, text: formatPercent(top1) }));
  return bars.length < 2 ? "" : barChart("Top-1 accuracy", bars, 1);
}

function trainingCharts({ training }: Report): string {
  if (training === undefined) return "";
  const axes = (title: string): Pick<LineChart, "x" | "y"> => ({
    x: { title: "samples seen" },
    y: { title },
  });
  const losses = lineChart({
    title: "Loss by samples seen",
    ...axes("loss"),
    series: [
      { title: "training", points: training.history.map(({ samples, loss }) => [samples, loss] as const) },
      { title: "held out", points: training.validation.map(({ samples, loss }) => [samples, loss] as const) },
    ],
  });
  const accuracy = training.validation.flatMap(({ samples, accuracy: value }) =>
    value === undefined ? [] : [[samples, value] as const],
  );
  const title = "Held-out top-1 accuracy by samples seen";
  const series = [{ title: "held out", points: accuracy }];
  return `${losses}${lineChart({ title, ...axes("top-1"), series })}`;
}

function profileSection({ profile }: Report): string {
  if (profile === undefined) return "";
  const bars = profile.parts.map(({ part, ms }) => ({
    title: part,
    value: ms,
    text: `${formatNumber(ms, 3)} ms`,
  }));
  const most = Math.max(...bars.map(({ value }) => value));
  return [
    barChart("Where a step's time goes", bars, most),
    section("By operator", htmlTable(operatorTable(profile, profile.operators.length), [0, 1])),
    section("By layer", htmlTable(layerTable(profile, profile.layers.length))),
  ].join("\n");
}

function stageSection({ stages }: Report): string {
  if (stages === undefined) return "";
  const rows = stages.map(({ stage, seconds }) => [stage, formatSeconds(seconds)]);
  return section("Where the time went", htmlTable([["stage", "time"], ...rows]));
}

function memorySection({ memory }: Report): string {
  if (memory === undefined) return "";
  const rows = memory.parts.map(({ part, bytes }) => [part, formatBytes(bytes)]);
  return section("Estimated memory of training", htmlTable([["part", "size"], ...rows]));
}

function layerSection({ quantization }: Report): string {
  if (quantization === undefined || quantization.layers.length === 0) return "";
  const trained = quantization.layers.flatMap(({ weight, rows, changedRows }) =>
    changedRows === undefined
      ? []
      : [{ title: weight, value: changedRows / rows, text: `${changedRows} / ${rows}` }],
  );
  const rows = quantization.layers.map(({ weight, op, bits, shape }) => [
    weight,
    op,
    String(bits),
    shape.join(" x "),
  ]);
  return section(
    "Layers",
    `${barChart("Rows of which training changed an integer code", trained, 1)}${htmlTable([["weight", "operator", "bits", "shape"], ...rows], [1, 3])}`,
  );
}

function reasonSection(title: string, nodes: Report["support"]): string {
  if (nodes === undefined || nodes.length === 0) return "";
  const rows = nodes.map(({ node, op, reason }) => [node, op, reason]);
  return section(title, htmlTable([["node", "operator", "reason"], ...rows], [1, 2]));
}

function verificationSection({ verification }: Report): string {
  if (verification === undefined || verification.layers.length === 0) return "";
  const rows = verification.layers.map(({ tensor, largestStep, differing }) => [
    tensor,
    String(largestStep),
    formatPercent(differing),
  ]);
  return section(
    "Layer by layer: codes in ONNX Runtime against the trained graph",
    htmlTable([["value", "largest distance in steps", "codes that differ"], ...rows]),
  );
}

function dataSection({ data }: Report): string {
  return Object.entries(data ?? {})
    .map(([use, description]) => section(`Data: ${use}`, keyTable(description)))
    .join("\n");
}

function keyTable(record: Readonly<Record<string, unknown>>): string {
  const rows = Object.entries(record).map(([key, value]) => [
    key,
    typeof value === "string" ? value : JSON.stringify(value),
  ]);
  return htmlTable([["option", "value"], ...rows.map((row) => row.map((cell) => cell ?? ""))], [1]);
}
