import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { usageError, type UserError } from "../../errors.ts";
import { namedValues } from "../../named-values.ts";
import type { AskedMetric, Metric, MetricBatch } from "../../scoring/metrics/metric.ts";
import { readNumbers } from "../../tensor/read-numbers.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { betterOf, samplesOf } from "./model-metric.ts";
import type { MetricSubject } from "./subject.ts";

/** Numbers with their shape, without the dimension of samples. */
export interface MetricValues {
  /** All elements, row by row; integers and truth values as numbers. */
  data: Float32Array | Float64Array;
  /** The shape. */
  dims: readonly number[];
}

/** One sample as a metric of the user's own sees it. */
export interface MetricSample {
  /** The judged model's outputs by name. */
  outputs: Readonly<Record<string, MetricValues>>;
  /** The float model's outputs; none where there is no float model to compare with. */
  reference?: Readonly<Record<string, MetricValues>>;
  /** The class of the sample, where the data have labels. */
  label?: number;
  /** Arrays that come with the data. */
  targets: Readonly<Record<string, MetricValues>>;
}

/** A metric of the user's own, as a module's default export or in a library call. */
export type CustomMetric =
  | ((sample: MetricSample) => number | Promise<number>)
  | {
      /** What reports call it. Default: metric. */
      name?: string;
      /** Default: higher. */
      better?: "higher" | "lower";
      /** What a sample comes to: a number, or with `combine` anything. */
      measure: (sample: MetricSample) => unknown;
      /** The value over all samples; default: the mean. */
      combine?: (samples: readonly unknown[]) => number;
    };

/** A metric that is a JavaScript module, named on the command line: its default export. It runs with the caller's rights. */
export async function openModuleMetric(
  { text, file = "", variant }: AskedMetric,
  subject: MetricSubject,
): Promise<Metric> {
  const module = (await import(pathToFileURL(resolve(file)).href).catch((error: unknown) => {
    throw fails(`cannot be loaded: ${reasonOf(error)}`, file);
  })) as { default?: unknown };
  return customMetric(module.default, { text, where: file, better: variant }, subject);
}

/** A metric of what a module exports or a caller gives. */
export function customMetric(
  given: unknown,
  { text, where, better }: { text: string; where: string; better?: string | undefined },
  { model, dataset, alone = false }: MetricSubject,
): Metric {
  const whole = (typeof given === "function" ? { measure: given } : given) as
    Partial<Exclude<CustomMetric, (...sample: never[]) => unknown>> | undefined;
  const { measure, combine } = whole ?? {};
  if (typeof measure !== "function" || (combine !== undefined && typeof combine !== "function"))
    throw fails("is no function of a sample, and no object with such a function as `measure`", where);
  return {
    name: whole?.name ?? text,
    better: betterOf(better ?? whole?.better, where),
    outputs: model.graph.outputs.map(({ name }) => name),
    arrays: [...(dataset.targets?.names ?? [])],
    fromFloat: alone ? false : "besides",
    async measure(batch) {
      const entries: unknown[] = [];
      for (let at = 0; at < batch.size; at++) {
        const entry = await call(() => measure(sampleOf(batch, at)), where);
        if (combine === undefined && (typeof entry !== "number" || !Number.isFinite(entry)))
          throw fails(`gave ${String(entry)} for a sample, which is no number`, where);
        entries.push(entry);
      }
      return entries;
    },
    ...(combine === undefined
      ? {}
      : { combine: (entries: readonly unknown[]) => combined(combine, entries, where) }),
  };
}

function combined(
  combine: (samples: readonly unknown[]) => number,
  entries: readonly unknown[],
  where: string,
): number {
  let value: unknown;
  try {
    value = combine(entries);
  } catch (error) {
    throw fails(`fails: ${reasonOf(error)}`, where);
  }
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw fails(`combined samples to ${String(value)}, which is no number`, where);
}

async function call(measure: () => unknown, where: string): Promise<unknown> {
  try {
    return await measure();
  } catch (error) {
    throw fails(`fails: ${reasonOf(error)}`, where);
  }
}

function sampleOf({ size, outputs, reference, labels, targets = {} }: MetricBatch, at: number): MetricSample {
  const values = (tensors: Readonly<Record<string, Tensor>>): Record<string, MetricValues> => {
    const found = namedValues<MetricValues>();
    for (const [name, tensor] of Object.entries(tensors)) {
      const own = samplesOf(tensor, size, at, 1);
      found[name] = { data: readNumbers(own), dims: own.dims[0] === 1 ? own.dims.slice(1) : own.dims };
    }
    return found;
  };
  const label = labels?.[at];
  return {
    outputs: values(outputs),
    ...(reference === undefined ? {} : { reference: values(reference) }),
    ...(label === undefined ? {} : { label }),
    targets: values(targets),
  };
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const fails = (what: string, where: string): UserError =>
  usageError("metric", `The metric ${what}`, where, "See docs/losses-and-metrics.md.");
