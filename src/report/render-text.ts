import { printableData } from "../printable.ts";
import { formatBytes, formatNumber, formatPercent, formatSeconds } from "./format.ts";
import { describeAudit, summarizeAudit } from "./describe-audit.ts";
import { describeContents } from "./describe-contents.ts";
import { describeImported } from "./describe-imported.ts";
import { describeInstallation } from "./describe-installation.ts";
import { layerTable, operatorTable, partTable } from "./profile-tables.ts";
import type { FailedReport, MemorySection, ModelSection, Report } from "./report-data.ts";
import {
  describeComparison,
  describeLatency,
  describeSamples,
  describeVerification,
} from "./describe-results.ts";
import { otherOutputsTable, summaryTable } from "./summary.ts";
import { renderTable } from "./text-table.ts";

/** The report as plain text for the end of a command: short, without per-layer tables. */
export function renderText(given: Report): string {
  const report = printableData(given);
  const sections = [
    describeModel(report),
    report.scores?.length ? renderTable(summaryTable(report)) : undefined,
    describeJudging(report),
    describeCalibration(report),
    describeRecipe(report),
    describeQuantization(report),
    report.memory && describeMemory(report.memory),
    describeTraining(report),
    describeExport(report),
    describeProfile(report),
    describeSupport(report),
    describeContents(report),
    describeImported(report),
    describeInstallation(report),
    describeEncodings(report),
    describeStages(report),
    ...report.warnings.map((warning) => `Warning: ${warning}`),
  ];
  return `${sections.filter((section) => section !== undefined && section !== "").join("\n\n")}\n`;
}

/** Why a command failed, in one paragraph. */
export function renderFailureText({ error }: Pick<FailedReport, "error">): string {
  const { code, what, where, hint } = printableData(error);
  const place = where === undefined ? "" : ` (${where})`;
  return `Error [${code}]: ${what}${place}.${hint === undefined ? "" : ` ${hint}`}`;
}

function describeModel({ model, command }: Report): string | undefined {
  if (model === undefined) return undefined;
  const ports = (list: ModelSection["inputs"]): string =>
    list.map(({ name, type, shape }) => `${name} ${type}[${shape.join(", ")}]`).join("; ");
  const head = `${model.path}: ${model.nodes} nodes, ${formatNumber(model.parameters, 9)} parameters, ${formatBytes(model.bytes)}, opset ${model.opset}`;
  if (command !== "inspect" && !command.startsWith("from-")) return head;
  const operators = Object.entries(model.operators)
    .sort(([, a], [, b]) => b - a)
    .map(([op, count]) => `${op} ${count}`)
    .join(", ");
  return [
    head,
    `inputs: ${ports(model.inputs)}`,
    `outputs: ${ports(model.outputs)}`,
    `operators: ${operators}`,
  ].join("\n");
}

function describeJudging(report: Report): string | undefined {
  const others = otherOutputsTable(report);
  const lines = [
    describeSamples(report),
    describeComparison(report),
    others === undefined ? undefined : `\n${renderTable(others)}`,
  ].filter((line) => line !== undefined);
  return lines.length === 0 ? undefined : lines.join("\n");
}

function describeQuantization({ quantization }: Report): string | undefined {
  if (quantization === undefined) return undefined;
  const { target, wbits, abits, weights, activations, float } = quantization;
  const lines = [
    `Quantized to W${wbits}A${abits} for ${target}: ${weights} weights, ${activations} activation quantizers; ${float.length} nodes stay float.`,
  ];
  const byReason = new Map<string, string[]>();
  for (const { node, op, reason } of float) {
    const key = `${op}: ${reason}`;
    const nodes = byReason.get(key);
    if (nodes === undefined) byReason.set(key, [node]);
    else nodes.push(node);
  }
  for (const [key, nodes] of byReason) lines.push(`  ${key} (${listed(nodes)})`);
  return lines.join("\n");
}

function describeCalibration({ calibration }: Report): string | undefined {
  if (calibration === undefined) return undefined;
  const { samples, values, unfit } = calibration;
  const lines = unfit.map(({ value, reason }) => `  "${value}" is ${reason}`);
  return [`Statistics of ${values} values over ${samples} samples.`, ...lines].join("\n");
}

function describeRecipe({ recipe }: Report): string | undefined {
  if (recipe === undefined) return undefined;
  const { name, because, loss, metric, float, batch } = recipe;
  return (
    `Recipe ${name}: ${because}.\n` +
    `  loss ${loss}, judged by ${metric}; in float: ${float}; batch ${batch}`
  );
}

/** Where the time went, stage by stage. */
function describeStages({ stages, seconds }: Report): string | undefined {
  if (stages === undefined) return undefined;
  const parts = stages.map((each) => `${each.stage} ${formatSeconds(each.seconds)}`);
  return `Took ${formatSeconds(seconds)}: ${parts.join(", ")}.`;
}

const listed = (names: string[]): string =>
  names.length <= 3 ? names.join(", ") : `${names.slice(0, 2).join(", ")} and ${names.length - 2} more`;

/** What training takes, in a sentence. */
export function describeMemory({
  microBatch,
  bytes,
  measured,
  limitBytes,
  limitAsked,
}: MemorySection): string {
  const limit = limitAsked ? ` of the ${formatBytes(limitBytes)} allowed` : "";
  return `Training with ${microBatch} samples at a time takes ${measured ? "" : "at most "}${formatBytes(bytes)} of memory${limit}.`;
}

function describeTraining({ training }: Report): string | undefined {
  if (training === undefined) return undefined;
  const {
    mode,
    ratio,
    budget,
    forward,
    backward,
    samples,
    steps,
    seconds,
    loss,
    bestStep,
    trainedFraction,
    peakBytes,
  } = training;
  const split = describeSplit(training);
  const share = mode === "cost" ? `a budget of ${budget}` : `ratio ${ratio}`;
  return (
    `Trained ${mode.toUpperCase()} at ${share} on ${samples} samples in ${steps} steps${split}, ${forward} forward, ${backward} backward, ` +
    `${formatSeconds(seconds)}, at most ${formatBytes(peakBytes)} of memory (loss: ${loss}; ${formatPercent(trainedFraction)} of the rows trained; kept ${bestStep === 0 ? "the start" : `the state of step ${bestStep}`}${chosenOn(training)}).${describeWorkers(training)}`
  );
}

/** Of several workers how many, and what crosses between them. */
function describeWorkers({ workers }: Pick<NonNullable<Report["training"]>, "workers">): string {
  if (workers === undefined) return "";
  const { count, sentPerStep, receivedPerStep } = workers;
  return ` ${count} workers shared the steps, in each of which ${formatBytes(receivedPerStep)} of gradients and ${formatBytes(sentPerStep)} of changes crossed between them.`;
}

/** What chose the state that was kept. */
const chosenOn = ({ heldOut }: { heldOut?: number | undefined }): string =>
  heldOut === undefined || heldOut === 0 ? "" : `, chosen on ${heldOut} held-out samples`;

/** How a step's samples are split between runs of the training graph, where they are. */
const describeSplit = ({ batch, microBatch }: { batch: number; microBatch: number }): string =>
  microBatch === batch ? "" : ` (${batch / microBatch} runs of ${microBatch} samples each)`;

const describeEncodings = ({ encodings }: Report): string | undefined =>
  encodings &&
  `Scales and offsets of ${encodings.activations} values and ${encodings.weights} weights, as ${encodings.format}.`;

function describeProfile({ profile }: Report): string | undefined {
  if (profile === undefined) return undefined;
  const { stepMs, batch, forward, backward, steps, peakBytes } = profile;
  const split = describeSplit(profile);
  const elsewhere = profile.fallbacks ?? [];
  return [
    `A step of ${batch} samples${split} with ${forward} forward and ${backward} backward takes ${formatNumber(stepMs, 3)} ms (mean of ${steps}); the process took at most ${formatBytes(peakBytes)} of memory.`,
    ...(elsewhere.length === 0
      ? []
      : [
          `On the CPU, as the provider has no kernel: ${elsewhere.map(({ op, calls }) => `${op} ${calls}`).join(", ")}.`,
        ]),
    renderTable(partTable(profile)),
    renderTable(operatorTable(profile, 12)),
    renderTable(layerTable(profile, 12)),
  ].join("\n\n");
}

function describeExport({ command, output, verification, audit, latency }: Report): string | undefined {
  const lines: string[] = [];
  if (output !== undefined) {
    const kept = command !== "quantize" && output.model === "ptq";
    const what = kept ? ", the model of post-training quantization" : "";
    lines.push(`Wrote ${output.path} (${formatBytes(output.bytes)})${what}.`);
  }
  if (verification !== undefined) lines.push(describeVerification(verification));
  if (audit !== undefined) lines.push(command === "audit" ? describeAudit(audit) : summarizeAudit(audit));
  if (latency !== undefined) lines.push(describeLatency(latency));
  return lines.length === 0 ? undefined : lines.join("\n");
}

function describeSupport({ support, training }: Report): string | undefined {
  const untrainable = support ?? training?.untrainable;
  if (untrainable === undefined) return undefined;
  if (untrainable.length === 0) {
    return support === undefined ? undefined : "Every node on the gradients' way can be differentiated.";
  }
  const rows = untrainable.map(({ node, op, reason }) => `  ${op} ${node}: ${reason}`);
  return ["Nodes that do not train:", ...rows].join("\n");
}
