import { usageError } from "../../errors.ts";
import type { AskedMetric } from "./metric.ts";

/** Metrics by name. */
export const metricNames = [
  ...["top1", "top5", "miou", "sqnr", "cosine", "mse"],
  ...["map", "map50", "cer", "wer"],
] as const;

const variants: Readonly<Record<string, readonly string[]>> = {
  map: ["centre"],
  map50: ["centre"],
  cer: ["blank-last"],
  wer: ["blank-last"],
};

/**
 * `--metric`: metrics separated by commas, each [OUTPUT=]NAME[@TARGET][:FORM] or a file (metric.onnx, metric.mjs) with :lower or
 * :higher behind it. Throws a usage error that names the part which is neither.
 */
export function parseMetrics(text: string): AskedMetric[] {
  return text.split(",").map((part) => parseMetric(part.trim()));
}

function parseMetric(text: string): AskedMetric {
  const [, file, better] = /^(.+\.(?:onnx|mjs|js))(?::(lower|higher))?$/i.exec(text) ?? [];
  if (file !== undefined) return { text, file, variant: better };
  const at = text.lastIndexOf("=");
  const [, name = "", target, variant] = /^([^@:]*)(?:@([^:]+))?(?::(.+))?$/.exec(text.slice(at + 1)) ?? [];
  const known = metricNames.find((each) => each === name);
  const form = variant === undefined || (variants[name] ?? []).includes(variant);
  if (known !== undefined && form)
    return { text, name, output: at > 0 ? text.slice(0, at).trim() : undefined, target, variant };
  const what =
    known === undefined
      ? `--metric has the part "${text}", and there is no metric "${name}"`
      : `--metric has the part "${text}", and ${name} has no form "${variant ?? ""}"`;
  throw usageError(
    "metric",
    what,
    "--metric",
    `Give [OUTPUT=]NAME[@TARGET] with one of the names ${metricNames.join(", ")}, or an ONNX model or a JavaScript module (metric.onnx, metric.mjs).`,
  );
}
