import { formatNumber } from "./format.ts";
import type { Report } from "./report-data.ts";

/** Where an exported model comes from, how near it is to that, and how to go on. */
export function describeImported({ imported }: Report): string | undefined {
  if (imported === undefined) return undefined;
  const { exporter, source, architecture, versions, outputs, suggested, next } = imported;
  const made = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const errors = outputs.map(({ output, error }) => `${output} ${formatNumber(error, 2)}`);
  const found = Object.entries(suggested).map(([option, path]) => `  --${option} ${path}`);
  return [
    `Exported ${architecture === undefined ? "" : `${architecture} of `}${source} by ${exporter} (${made.join(", ")}).`,
    `ONNX Runtime computes what the framework does; relative difference of the outputs: ${errors.join(", ")}.`,
    ...(found.length === 0 ? [] : ["For its data:", ...found]),
    `Next: ${next}`,
  ].join("\n");
}
