import type { Dataset } from "../data/dataset.ts";
import type { Model } from "../ir/model.ts";
import type { OutputFacts } from "../ir/output-kinds.ts";
import type { Report } from "../report/report-data.ts";
import type { SampleScores } from "../scoring/tally.ts";
import { releaseMetrics } from "../training/metrics/open-metrics.ts";
import { compareByMetric, compareScores } from "./compare-scores.ts";
import { type MetricRequest, openRequested } from "./metrics.ts";
import type { RunContext } from "./context.ts";
import { type Contender, type ScoreOptions, scoreModels } from "./score-models.ts";
import { scoreWarnings } from "./score-warnings.ts";

/** The report's sections on what models are worth, and warnings about them. */
export interface Judgement extends Required<Pick<Report, "judging" | "scores">> {
  comparison?: NonNullable<Report["comparison"]>;
  warnings: string[];
}

export interface JudgeOptions extends ScoreOptions {
  use: NonNullable<Report["judging"]>["use"];
  /** Metrics beside; the first decides whether the trained model is the better one. */
  metric?: MetricRequest | undefined;
  /** The model that is judged, as metrics look at it. */
  judgedModel: Model;
}

/** Scores models on the samples of a data set, compares the trained one with the post-training one, and says what is amiss. */
export async function judge(
  contenders: readonly Contender[],
  dataset: Dataset,
  options: JudgeOptions,
  context: RunContext,
): Promise<Judgement> {
  const { outputs, judgedModel } = options;
  const alone = contenders.length === 1;
  const metrics = await openRequested(options.metric, { model: judgedModel, outputs, dataset, alone });
  const scored = scoreModels(contenders, dataset, { ...options, metrics }, context);
  const { scores, samples, entries } = await scored.finally(() => releaseMetrics(metrics));
  const { name, kind, because, certain } = options.outputs.judged;
  const first = samples.get(contenders[0]?.model ?? "float");
  const missingClasses = first === undefined ? [] : findMissingClasses(first);
  const judging = {
    output: name,
    kind,
    because,
    certain,
    use: options.use,
    samples: first?.samples ?? 0,
    ...(missingClasses.length === 0 ? {} : { missingClasses }),
    ...(metrics.length === 0
      ? {}
      : { metrics: metrics.map(({ name: each, better }) => ({ name: each, better })) }),
  };
  const [trained, start] = [samples.get("efqat"), samples.get("ptq")];
  const [metric] = metrics;
  const [after, before] = [entries.get("efqat")?.[0], entries.get("ptq")?.[0]];
  const comparison =
    metric !== undefined && after !== undefined && before !== undefined
      ? compareByMetric(metric, after, before)
      : trained && start && compareScores(trained, start);
  const judged = { judging, scores, ...(comparison === undefined ? {} : { comparison }) };
  return { ...judged, warnings: scoreWarnings(judged, samples) };
}

/** Classes of which no sample with a label is. */
function findMissingClasses({ labels, classes }: SampleScores): number[] {
  if (labels.length === 0) return [];
  const seen = new Set(labels);
  return Array.from({ length: classes }, (_, label) => label).filter((label) => !seen.has(label));
}

const names: Readonly<Record<OutputFacts["kind"], string>> = {
  logits: "class scores",
  probabilities: "class probabilities",
  "log-probabilities": "logarithms of class probabilities",
  features: "features",
  sequence: "a sequence of values",
  map: "a map of values",
  integers: "integers",
  constant: "a constant",
  other: "something else",
};

/** The kind of an output in words, with the reason. */
export const describeKind = ({ kind, because }: OutputFacts): string => `${names[kind]} (${because})`;
