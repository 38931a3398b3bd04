import { formatBytes, formatMilliseconds, formatNumber, formatPercent } from "../../report/format.ts";
import type { JobResult, Metrics } from "../jobs/job.ts";

/** How far apart figures may be by chance. */
export interface Noise {
  /** Share of an accuracy's range, besides what its interval says. */
  accuracy: number;
  /** dB. */
  sqnr: number;
  /** Share of the earlier latency. */
  latency: number;
  /** Share of the earlier size. */
  size: number;
  /** Difference of the shares. */
  integers: number;
}

/** The same tool writes the same bytes; what is left is other versions' rounding, and clocks. */
export const usualNoise: Noise = { accuracy: 0.002, sqnr: 0.5, latency: 0.1, size: 0.005, integers: 0.001 };

/** One difference between two runs. */
export interface Change {
  job: string;
  figure: "status" | "accuracy" | "sqnr" | "latency" | "size" | "integer share" | "options" | "job";
  verdict: "worse" | "better" | "other";
  what: string;
}

/** What differs between two runs beyond noise, job by job in the order of their names. */
export function diffResults(
  before: readonly JobResult[],
  after: readonly JobResult[],
  noise: Noise = usualNoise,
): Change[] {
  const old = new Map(before.map((result) => [result.name, result]));
  const fresh = new Map(after.map((result) => [result.name, result]));
  const names = [...new Set([...old.keys(), ...fresh.keys()])].sort();
  return names.flatMap((job) => diffJob(job, old.get(job), fresh.get(job), noise));
}

function diffJob(job: string, a: JobResult | undefined, b: JobResult | undefined, noise: Noise): Change[] {
  if (a === undefined) return [{ job, figure: "job", verdict: "other", what: "is new" }];
  if (b === undefined) return [{ job, figure: "job", verdict: "worse", what: "is missing" }];
  const reasons = [...diffOptions(job, a, b), ...diffOrigin(job, a, b)];
  if (a.status !== b.status) {
    const verdict = b.status === "failed" ? "worse" : "better";
    const cause = (b.cause ?? a.cause)?.code ?? "";
    return [{ job, figure: "status", verdict, what: `${a.status} -> ${b.status} [${cause}]` }, ...reasons];
  }
  return [...diffFigures(job, a.metrics, b.metrics, noise), ...reasons];
}

function diffFigures(job: string, a: Metrics, b: Metrics, noise: Noise): Change[] {
  const found: (Change | undefined)[] = [
    a.measure === b.measure
      ? compare(job, "accuracy", [a.accuracy, b.accuracy], {
          bound: noise.accuracy + spread(a.accuracyInterval, b.accuracyInterval),
          higher: true,
          show: formatPercent,
        })
      : undefined,
    compare(job, "sqnr", [a.sqnr, b.sqnr], {
      bound: noise.sqnr + spread(a.sqnrInterval, b.sqnrInterval),
      higher: true,
      show: (value) => `${value.toFixed(1)} dB`,
    }),
    apart(a.latencyQuartiles, b.latencyQuartiles)
      ? compare(job, "latency", [a.latencyMs, b.latencyMs], {
          bound: noise.latency * (a.latencyMs ?? 0),
          higher: false,
          show: formatMilliseconds,
        })
      : undefined,
    compare(job, "size", [a.bytes, b.bytes], {
      bound: noise.size * (a.bytes ?? 0),
      higher: false,
      show: formatBytes,
    }),
    compare(job, "integer share", [a.integerShare, b.integerShare], {
      bound: noise.integers,
      higher: true,
      show: formatPercent,
    }),
  ];
  return found.filter((change) => change !== undefined);
}

type Interval = readonly [number, number] | undefined;

/**
 * Half the width that the difference of two figures has by the draw of samples, from their 95 % intervals. Where both runs
 * judged the same samples it is less, so that this bound is the wide one.
 */
function spread(a: Interval, b: Interval): number {
  const half = (interval: Interval): number => (interval === undefined ? 0 : (interval[1] - interval[0]) / 2);
  return Math.hypot(half(a), half(b));
}

/** Whether the middle halves of two sets of timings do not meet. */
const apart = (a: Interval, b: Interval): boolean =>
  a === undefined || b === undefined || a[1] < b[0] || b[1] < a[0];

function compare(
  job: string,
  figure: Change["figure"],
  [a, b]: [number | undefined, number | undefined],
  { bound, higher, show }: { bound: number; higher: boolean; show: (value: number) => string },
): Change | undefined {
  if (a === undefined || b === undefined || Math.abs(b - a) <= bound) return undefined;
  const verdict = b > a === higher ? "better" : "worse";
  return { job, figure, verdict, what: `${show(a)} -> ${show(b)} (noise ${show(bound)})` };
}

/** Options that were not the same, those that only one run names too; defaults included where both runs tell of them. */
function diffOptions(job: string, a: JobResult, b: JobResult): Change[] {
  const [before, after] =
    a.settings !== undefined && b.settings !== undefined ? [a.settings, b.settings] : [a.options, b.options];
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  return names
    .filter((name) => before[name] !== after[name])
    .map((name) => ({
      job,
      figure: "options" as const,
      verdict: "other" as const,
      what: `${name}: ${before[name] ?? "unset"} -> ${after[name] ?? "unset"}`,
    }));
}

/** Other versions of the tool, the runtime or the model. */
function diffOrigin(job: string, a: JobResult, b: JobResult): Change[] {
  const pairs: [string, string, string][] = [
    ["efqat", a.tool.version, b.tool.version],
    ["ONNX Runtime", a.tool.runtime, b.tool.runtime],
    ["model", a.model.sha256.slice(0, 12), b.model.sha256.slice(0, 12)],
    ["recipe", a.recipe, b.recipe],
    ["command", a.command, b.command],
  ];
  return pairs
    .filter(([, one, other]) => one !== other)
    .map(([name, one, other]) => ({
      job,
      figure: "options" as const,
      verdict: "other" as const,
      what: `${name}: ${one} -> ${other}`,
    }));
}

/** The differences as lines, those for the worse first. */
export function describeChanges(changes: readonly Change[]): string {
  const order = ["worse", "better", "other"] as const;
  const lines = order.flatMap((verdict) =>
    changes
      .filter((change) => change.verdict === verdict)
      .map(({ job, figure, what }) => `${verdict}: ${job}: ${figure}: ${what}`),
  );
  const count = (verdict: Change["verdict"]): number =>
    changes.filter((change) => change.verdict === verdict).length;
  return [
    ...lines,
    `${formatNumber(count("worse"))} worse, ${count("better")} better, ${count("other")} other`,
  ].join("\n");
}
