import type { Report } from "../../../src/report/report-data.ts";
import type { ZooModel } from "./find-models.ts";
import type { ZooRow } from "./results.ts";

/** Operators whose constants are weights of layers. */
const layers = new Set(["Conv", "ConvTranspose", "Gemm", "MatMul", "LSTM", "GRU", "RNN", "Gather"]);

interface Run {
  error: string | undefined;
  seconds: number;
  peakBytes: number;
}

/** The row of a model, from the report of `optimize` or, where that failed, of `quantize`. */
export function summarise(model: ZooModel, report: Report | undefined, run: Run): ZooRow {
  const { quantization, training, audit, output } = report ?? {};
  const weights = quantization?.layers.map(({ weight }) => weight) ?? [];
  const frozen = new Set(training?.frozen);
  const notReached = weights.filter((weight) => frozen.has(weight));
  const [before, after] = [qualityOf(report, "ptq"), qualityOf(report, "efqat")];
  return {
    model: model.name,
    exporter: model.exporter,
    stages: {
      prepared: report !== undefined || !/^(model|unsupported)\//.test(run.error ?? ""),
      quantized: quantization !== undefined || report?.output !== undefined,
      trained: training !== undefined,
      exported: output !== undefined,
    },
    ...(run.error === undefined ? {} : { error: run.error }),
    ...(audit === undefined || audit.totalMacs === 0
      ? {}
      : {
          macs: {
            quantized: (audit.quantizedMacs ?? 0) / audit.totalMacs,
            integer: audit.integerMacs / audit.totalMacs,
          },
        }),
    weights: weights.length,
    reached: training === undefined ? 0 : weights.length - notReached.length,
    steps: training?.steps ?? 0,
    before: before ?? {},
    after: after ?? before ?? {},
    bytes: { source: report?.model?.bytes ?? 0, written: output?.bytes ?? 0 },
    seconds: run.seconds,
    peakBytes: run.peakBytes,
    leftFloat: quantization?.float.filter(({ op }) => layers.has(op)) ?? [],
    notReached,
    ends: training?.untrainable ?? [],
  };
}

function qualityOf(report: Report | undefined, model: "ptq" | "efqat"): ZooRow["before"] | undefined {
  const score = report?.scores?.find((each) => each.model === model);
  if (score === undefined) return undefined;
  const { sqnr, cosine } = score;
  return { ...(sqnr === undefined ? {} : { sqnr }), ...(cosine === undefined ? {} : { cosine }) };
}
