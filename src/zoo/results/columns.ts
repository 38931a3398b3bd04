import type { JobResult } from "../jobs/job.ts";

/** A figure of a result, as CSV, SQLite and the index have it. */
export interface Column {
  /** Its name in CSV and SQLite. */
  name: string;
  /** Its head in the index; absent: it is not shown there. */
  head?: string;
  kind: "text" | "number";
  /** How numbers are shown. */
  shown?: "bytes" | "ms" | "percent" | "seconds" | "decibel" | "plain";
  of: (result: JobResult) => string | number | undefined;
}

const column = (
  name: string,
  kind: Column["kind"],
  of: Column["of"],
  more: Pick<Column, "head" | "shown"> = {},
): Column => ({ name, kind, of, ...more });

/** All figures of a result, in the order of the tables. */
export const columns: readonly Column[] = [
  column("name", "text", ({ name }) => name, { head: "Model" }),
  column("status", "text", ({ status }) => status, { head: "Status" }),
  column("cause", "text", ({ cause }) => cause?.code, { head: "Cause" }),
  column("what", "text", ({ cause }) => cause?.what),
  column("recipe", "text", ({ recipe }) => recipe, { head: "Recipe" }),
  column("target", "text", ({ target }) => target, { head: "Target" }),
  column("command", "text", ({ command }) => command),
  column("float_bytes", "number", ({ metrics }) => metrics.floatBytes, {
    head: "Float size",
    shown: "bytes",
  }),
  column("bytes", "number", ({ metrics }) => metrics.bytes, { head: "Size", shown: "bytes" }),
  column("float_ms", "number", ({ metrics }) => metrics.floatMs, { head: "Float latency", shown: "ms" }),
  column("latency_ms", "number", ({ metrics }) => metrics.latencyMs, { head: "Latency", shown: "ms" }),
  column("measure", "text", ({ metrics }) => metrics.measure, { head: "Measure" }),
  column("accuracy", "number", ({ metrics }) => metrics.accuracy, { head: "Accuracy", shown: "percent" }),
  column("float_accuracy", "number", ({ metrics }) => metrics.floatAccuracy),
  column("sqnr", "number", ({ metrics }) => metrics.sqnr, { head: "SQNR", shown: "decibel" }),
  column("integer_share", "number", ({ metrics }) => metrics.integerShare, {
    head: "Integer MACs",
    shown: "percent" as const,
  }),
  column("seconds", "number", ({ seconds }) => seconds, { head: "Time", shown: "seconds" }),
  column("peak_bytes", "number", ({ peakBytes }) => peakBytes, { head: "Peak memory", shown: "bytes" }),
  column("attempts", "number", ({ attempts }) => attempts),
  column("warnings", "number", ({ metrics }) => metrics.warnings),
  column("model_path", "text", ({ model }) => model.path),
  column("model_sha256", "text", ({ model }) => model.sha256),
  column("key", "text", ({ key }) => key),
  column("tool", "text", ({ tool }) => tool.version),
  column("runtime", "text", ({ tool }) => tool.runtime),
  column("ended", "text", ({ ended }) => ended),
  column("folder", "text", ({ folder }) => folder),
];
