import { barChart } from "./bar-chart.ts";
import { printableData } from "../printable.ts";
import { describeComparison, describeLatency, describeSamples } from "./describe-results.ts";
import { summarizeAudit } from "./describe-audit.ts";
import { escapeHtml } from "./escape-html.ts";
import { formatBytes, formatMilliseconds, formatNumber, formatPercent, formatSeconds } from "./format.ts";
import { type Cell, folded, htmlTable, keyTable, paragraph, section } from "./html-parts.ts";
import { layerSections } from "./layer-sections.ts";
import { reportStyle, themeChoice } from "./page-style.ts";
import { layerTable, operatorTable } from "./profile-tables.ts";
import { describeMemory, renderFailureText, renderText } from "./render-text.ts";
import { type FailedReport, isFailed, type Report, type Score } from "./report-data.ts";
import { otherOutputsTable, summaryTable } from "./summary.ts";
import { trainingSection } from "./training-section.ts";

/** The report as one HTML page that loads nothing and runs nothing: tables and inline SVG charts. */
export function renderHtml(report: Report | FailedReport): string {
  return isFailed(report) ? renderFailure(printableData(report)) : renderReport(printableData(report));
}

function renderFailure(report: FailedReport): string {
  const { error, command } = report;
  return page(`efqat ${command} failed`, [
    paragraph(renderFailureText(report)),
    section("Error", keyTable(error)),
    runSection(report),
  ]);
}

function renderReport(report: Report): string {
  const title = `efqat ${report.command}: ${(report.model ?? report.output)?.path ?? ""}`;
  const text = `<pre tabindex="0">${escapeHtml(renderText(report))}</pre>`;
  const judged = report.scores?.length;
  return page(title, [
    cards(report),
    warningSection(report),
    resultSection(report),
    judged ? "" : section("Summary", text),
    trainingSection(report),
    layerSections(report),
    auditSection(report),
    profileSection(report),
    costSection(report),
    nodeSection(report),
    dataSection(report),
    runSection(report),
    judged ? section("As text", folded("What the command printed", text)) : "",
  ]);
}

const page = (title: string, sections: readonly string[]): string =>
  `<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="generator" content="efqat">` +
  `<meta name="viewport" content="width=device-width, initial-scale=1"><title>${escapeHtml(title)}</title>` +
  `<style>${reportStyle}</style></head><body>\n<header><h1>${escapeHtml(title).replaceAll("/", "/<wbr>")}</h1>${themeChoice}</header>\n` +
  `<main>${sections.filter((part) => part !== "").join("\n")}</main>\n</body></html>\n`;

/** What a reader looks for first, in a few words each. */
function cards({ scores = [], model, output, latency, audit, command }: Report): string {
  const of = (name: Score["model"]): Score | undefined => scores.find((score) => score.model === name);
  const [float, made] = [of("float"), of("efqat") ?? of("ptq")];
  const rate = (score: Score | undefined): string | undefined =>
    score?.top1 === undefined ? undefined : formatPercent(score.top1);
  const found: [string, string, string][] = [];
  if (made?.top1 !== undefined)
    found.push([
      made.model === "efqat" ? "top-1 after EfQAT" : "top-1 after quantization",
      formatPercent(made.top1),
      float?.top1 === undefined ? "" : `float ${rate(float)}`,
    ]);
  else if (made?.sqnr !== undefined)
    found.push(["SQNR", `${made.sqnr.toFixed(1)} dB`, "against the float model"]);
  if (made?.model === "efqat" && of("ptq")?.top1 !== undefined)
    found.push(["post-training quantization", rate(of("ptq")) ?? "", "top-1 before training"]);
  if (output !== undefined && model !== undefined && command !== "export")
    found.push(["size", formatBytes(output.bytes), `float ${formatBytes(model.bytes)}`]);
  if (latency !== undefined)
    found.push([
      "latency",
      formatMilliseconds(latency.quantizedMs),
      `float ${formatMilliseconds(latency.floatMs)}`,
    ]);
  if (audit !== undefined && audit.totalMacs > 0)
    found.push(["integer kernels", formatPercent(audit.integerMacs / audit.totalMacs), "of the MACs"]);
  if (found.length === 0) return "";
  const items = found.map(
    ([name, value, note]) =>
      `<div><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}<small>${escapeHtml(note)}</small></dd></div>`,
  );
  return `<dl class="cards">${items.join("")}</dl>`;
}

/** Warnings first: what is said here may turn what the tables say around. */
function warningSection({ warnings }: Report): string {
  if (warnings.length === 0) return "";
  const items = warnings.map((warning) => `<li>${escapeHtml(warning)}</li>`);
  return section("Warnings", `<ul class="warning">${items.join("")}</ul>`);
}

function resultSection(report: Report): string {
  if (!report.scores?.length) return "";
  const others = otherOutputsTable(report);
  const { latency } = report;
  const notes = [
    "Below values: 95 % intervals over the draw of samples.",
    describeSamples(report),
    describeComparison(report),
    latency && describeLatency(latency),
  ].filter((note) => note !== undefined);
  return section(
    "Results",
    [
      htmlTable(summaryTable(report, { intervals: true }).map((row) => row.map(intervalBelow))),
      ...notes.map(paragraph),
      others === undefined ? "" : htmlTable(others, [1]),
      accuracyChart(report.scores),
    ].join("\n"),
  );
}

/** "94.49 % (94.03 to 94.92)" in two lines, so that all columns fit a window of usual width. */
function intervalBelow(cell: string): Cell {
  const [, value = "", interval = ""] = /^(.+) \((.+ to .+)\)$/.exec(cell) ?? [];
  return interval === "" ? cell : { markup: `${escapeHtml(value)}<small>${escapeHtml(interval)}</small>` };
}

function accuracyChart(scores: readonly Score[]): string {
  const bars = scores
    .filter(({ top1 }) => top1 !== undefined)
    .map(({ model, top1 = 0 }) => ({ title: model, value: top1, text: formatPercent(top1) }));
  return bars.length < 2 ? "" : barChart("Top-1 accuracy", bars, 1);
}

function auditSection({ audit }: Report): string {
  if (audit === undefined) return "";
  const kernels = Object.entries(audit.kernels).sort(([, a], [, b]) => b - a);
  return section(
    "Kernel audit",
    [
      paragraph(`Target ${audit.target}; quantized as ${audit.formats.join(", ")}. ${summarizeAudit(audit)}`),
      reasonTable("Nodes on float kernels", audit.floatNodes),
      reasonTable("Slow integer kernels", audit.slowNodes ?? []),
      reasonTable("Products that saturate on x64 without VNNI", audit.saturatingNodes ?? []),
      reasonTable("Quantizers that save nothing", audit.idleQuantizers),
      reasonTable("Integer kernels that compute something else", audit.faults),
      kernels.length === 0
        ? ""
        : folded(
            "Operators of the graph as ONNX Runtime optimized it",
            htmlTable([["operator", "nodes"], ...kernels.map(([op, count]) => [op, String(count)])]),
          ),
    ].join("\n"),
  );
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

/** Time and memory, stage by stage, and what training was expected to take. */
function costSection({ stages, memory, training }: Report): string {
  if (stages === undefined && memory === undefined) return "";
  const bytes = (count: number | undefined): string => (count === undefined ? "-" : formatBytes(count));
  const rows = (stages ?? []).map(({ stage, seconds, peakBytes, runtimePeakBytes }) => [
    ...[stage, formatSeconds(seconds), bytes(peakBytes), bytes(runtimePeakBytes)],
    bytes(stage === "training" ? training?.peakBytes : undefined),
  ]);
  const head = ["stage", "time", "command", "ONNX Runtime", "training"];
  return section(
    "Time and memory",
    [
      rows.length === 0
        ? ""
        : htmlTable([head, ...rows]) +
          paragraph("Memory: the largest that each process has had resident up to the end of the stage."),
      memory === undefined ? "" : paragraph(describeMemory(memory)),
    ].join("\n"),
  );
}

/** What became of the nodes, and how the file was verified. */
function nodeSection({ quantization, verification, support, training }: Report): string {
  const layers = (quantization?.layers ?? []).map(({ weight, op, bits, shape }) => [
    ...[weight, op, String(bits), shape.join(" x ")],
  ]);
  const checked = (verification?.layers ?? []).map(({ tensor, largestStep, differing }) => [
    ...[tensor, String(largestStep), formatPercent(differing)],
  ]);
  return section(
    "Nodes",
    [
      reasonTable("Nodes left in float", quantization?.float),
      reasonTable("Nodes replaced by a quantizer's saturation", quantization?.dropped),
      reasonTable("Nodes that do not train", support ?? training?.untrainable),
      layers.length === 0
        ? ""
        : folded(
            "Quantized weights",
            htmlTable([["weight", "operator", "bits", "shape"], ...layers], [1, 3]),
          ),
      checked.length === 0
        ? ""
        : folded(
            "Verification: codes in ONNX Runtime against the trained graph",
            htmlTable([["value", "largest distance in steps", "codes that differ"], ...checked]),
          ),
    ].join(""),
  );
}

function reasonTable(title: string, nodes: Report["support"]): string {
  if (nodes === undefined || nodes.length === 0) return "";
  const rows = nodes.map(({ node, op, reason }) => [node, op, reason]);
  return folded(`${title} (${nodes.length})`, htmlTable([["node", "operator", "reason"], ...rows], [1, 2]));
}

/** What was read for what, and which of it judged the result. */
function dataSection({ data, judging, quantization }: Report): string {
  if (data === undefined) return "";
  const uses = [
    ...(quantization?.calibrationSamples === undefined
      ? []
      : [["calibration", String(quantization.calibrationSamples)]]),
    ...(judging === undefined ? [] : [[`scores (${judging.use})`, String(judging.samples)]]),
  ];
  return section(
    "Data",
    [
      uses.length === 0 ? "" : htmlTable([["used for", "samples"], ...uses]),
      ...Object.entries(data).map(([use, description]) =>
        folded(use, keyTable(description, ["of the data", "value"])),
      ),
    ].join("\n"),
  );
}

/** What was run, with which options, by which versions, and where. */
function runSection({
  commandLine,
  options,
  tool,
  machine,
}: Pick<Report, "commandLine" | "options" | "tool" | "machine">): string {
  const versions = [
    ["efqat", tool.version],
    ["ONNX Runtime", tool.runtime],
    ["Node", tool.node],
    ...(machine === undefined
      ? []
      : [
          ["processor", `${machine.cpu}, ${machine.processors} processors`],
          ["memory", formatBytes(machine.memoryBytes)],
          ["system", machine.system],
        ]),
  ];
  return section(
    "Run",
    [
      commandLine === undefined
        ? ""
        : `<code class="line">${escapeHtml(commandLine.map(quote).join(" "))}</code>`,
      htmlTable([["made with", ""], ...versions], [1]),
      folded("Options in effect, defaults included", keyTable(options)),
    ].join("\n"),
  );
}

/** A word as a shell takes it. */
const quote = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
