import { availableParallelism, cpus, totalmem } from "node:os";
import { basename } from "node:path";
import type { FailedReport, Report } from "../report/report-data.ts";
import { runtimeVersion } from "../runtime/session.ts";
import { version } from "../version.ts";
import { describeSource, type Source } from "./read-source.ts";

/** The parts of a report that every command has. `start`: performance.now() when the command began. */
export function startReport(
  command: Report["command"],
  options: object,
  source: Source | undefined,
  start: number,
): Report {
  return {
    formatVersion: 1,
    tool: toolSection(),
    command,
    machine: machineSection(),
    options: plainOptions(options),
    ...(source === undefined ? {} : { model: describeSource(source) }),
    seconds: (performance.now() - start) / 1000,
    warnings: [],
  };
}

/** The report of a command that failed. `start`: performance.now() when it began. */
export function startFailedReport(
  command: Report["command"],
  options: object,
  error: FailedReport["error"],
  start: number,
): FailedReport {
  return {
    formatVersion: 1,
    tool: toolSection(),
    command,
    machine: machineSection(),
    options: plainOptions(options),
    error,
    seconds: (performance.now() - start) / 1000,
    warnings: [],
  };
}

const toolSection = (): Report["tool"] => ({
  name: "efqat",
  version,
  runtime: runtimeVersion(),
  node: process.versions.node,
});

const machineSection = (): NonNullable<Report["machine"]> => ({
  cpu: cpus()[0]?.model.trim() ?? "unknown",
  processors: availableParallelism(),
  memoryBytes: totalmem(),
  system: `${process.platform} ${process.arch}`,
});

/** Options as JSON can hold them: undefined ones left out, infinities spelt. */
function plainOptions(options: object): Record<string, unknown> {
  const text = JSON.stringify(options, (key, value: unknown) =>
    key === "target" && isNamed(value)
      ? value.name
      : typeof value === "number" && !Number.isFinite(value)
        ? String(value)
        : value,
  );
  return JSON.parse(text) as Record<string, unknown>;
}

/** A target that is given as an object goes by its name. */
const isNamed = (value: unknown): value is { name: string } =>
  typeof value === "object" && value !== null && "name" in value && typeof value.name === "string";

/** What a written model says about its origin: the source file and the options, without paths of this machine. */
export function provenanceOf(
  source: { path: string; sha256: string },
  { quantization, training, seed }: { quantization?: object; training?: object; seed?: number },
): Record<string, unknown> {
  const {
    cache: _path,
    workers: _workers,
    ...choices
  } = (training ?? {}) as {
    cache?: unknown;
    workers?: unknown;
  };
  const options = plainOptions({
    seed,
    quantization,
    ...(training === undefined ? {} : { training: choices }),
  });
  return { source: { file: basename(source.path), sha256: source.sha256 }, ...options };
}
