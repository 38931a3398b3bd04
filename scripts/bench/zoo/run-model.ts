import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { failedReportSchema, type Report, reportSchema } from "../../../src/report/report-data.ts";
import type { ZooModel } from "./find-models.ts";
import { watchMemory } from "./process-tree.ts";
import type { ZooRow } from "./results.ts";
import { summarise } from "./summarise.ts";

/** How one command on a model ended. */
interface Outcome {
  report: Report | undefined;
  error: string | undefined;
  seconds: number;
  peakBytes: number;
}

/**
 * Takes a model through `efqat optimize` in a process of its own; where that fails, through `quantize`, to see how far it
 * gets. Written models go to `folder` and are removed again.
 */
export async function runModel(model: ZooModel, folder: string, limitSeconds: number): Promise<ZooRow> {
  const optimized = await runCommand("optimize", model, folder, limitSeconds);
  if (optimized.report !== undefined) return summarise(model, optimized.report, optimized);
  const quantized = await runCommand("quantize", model, folder, limitSeconds);
  return summarise(model, quantized.report, optimized);
}

const forTraining = new Set(["--epochs", "--val"]);

async function runCommand(
  command: "optimize" | "quantize",
  { name, exporter, path, data, options }: ZooModel,
  folder: string,
  limitSeconds: number,
): Promise<Outcome> {
  const stem = join(folder, `${name}-${exporter}-${command}`);
  const own =
    command === "optimize" ? options : options.filter((_, index) => !takes(options, index, forTraining));
  const args = [command, path, "--data", data, "--out", `${stem}.onnx`, "--json", `${stem}.report.json`];
  const start = performance.now();
  const child = execa(process.execPath, ["--import", "tsx", "src/cli/main.ts", ...args, ...own, "--quiet"], {
    reject: false,
    stdin: "ignore",
    timeout: 1000 * limitSeconds,
    killSignal: "SIGINT",
    forceKillAfterDelay: 20_000,
  });
  const stopWatching = watchMemory(child.pid ?? 0);
  const { timedOut, exitCode, stderr } = await child;
  const peakBytes = stopWatching();
  const seconds = (performance.now() - start) / 1000;
  const read = readReport(
    `${stem}.report.json`,
    timedOut ? `it took over ${limitSeconds} s` : lastLine(stderr),
  );
  for (const file of [`${stem}.onnx`, `${stem}.onnx.data`]) rmSync(file, { force: true });
  rmSync(`${stem}.run`, { recursive: true, force: true });
  return { ...(exitCode === 0 ? read : { ...read, report: undefined }), seconds, peakBytes };
}

/** Whether the value at `index` is one of these options, or the value of one. */
const takes = (options: readonly string[], index: number, names: ReadonlySet<string>): boolean =>
  names.has(options[index] ?? "") || names.has(options[index - 1] ?? "");

function readReport(file: string, otherwise: string): Pick<Outcome, "report" | "error"> {
  if (!existsSync(file)) return { report: undefined, error: otherwise };
  const text: unknown = JSON.parse(readFileSync(file, "utf8"));
  const failed = failedReportSchema.safeParse(text);
  if (failed.success)
    return { report: undefined, error: `${failed.data.error.code}: ${failed.data.error.what}` };
  return { report: reportSchema.parse(text), error: undefined };
}

const lastLine = (text: string): string => text.trim().split("\n").at(-1) ?? "it ended without a message";
