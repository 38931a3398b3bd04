import type { Report, Score } from "../../report/report-data.ts";
import type { Metrics } from "./job.ts";

/** What accuracy may be, the best first. */
const measures = ["top1", "agreement", "cosine", "equal"] as const;

/** The figures of a report by which models and runs are compared. */
export function readMetrics(report: Report): Metrics {
  const { scores = [], output, latency, audit, model } = report;
  const float = scores.find((score) => score.model === "float");
  const written = scores.find((score) => score.model === output?.model) ?? scores.at(-1);
  return withoutUndefined({
    floatBytes: model?.bytes,
    bytes: output?.bytes,
    floatMs: latency?.floatMs,
    latencyMs: latency?.quantizedMs,
    latencyQuartiles: latency?.quantizedQuartiles,
    ...(written === undefined || written === float ? {} : accuracyOf(written, float)),
    integerShare:
      audit === undefined || audit.totalMacs === 0 ? undefined : audit.integerMacs / audit.totalMacs,
    warnings: report.warnings.length,
  });
}

function accuracyOf(score: Score, float: Score | undefined): Partial<Metrics> {
  const measure = measures.find((name) => score[name] !== undefined);
  return {
    measure,
    accuracy: measure === undefined ? undefined : score[measure],
    floatAccuracy: measure === "top1" ? float?.top1 : undefined,
    accuracyInterval: measure === undefined ? undefined : score.intervals?.[measure],
    sqnr: score.sqnr,
    sqnrInterval: score.intervals?.sqnr,
  };
}

const withoutUndefined = (values: Record<string, unknown>): Metrics =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
