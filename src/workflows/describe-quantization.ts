import type { QuantizationPlan, QuantizationState, QuantizedWeight } from "../quantization/types.ts";
import type { QuantizationSection } from "../report/report-data.ts";
import { type QuantizationChoices, usualSamples } from "./options.ts";
import type { Prepared, Quantized } from "./quantize-stage.ts";

/** What the report's list of layers tells of a weight. */
type Layer = Pick<QuantizedWeight, "name" | "nodes" | "op" | "bits" | "shape" | "axis">;

/** The report's section on a model that was quantized by calibration; `changed` as of `describePlan`. */
export function describeQuantization(
  quantized: Quantized,
  choices: QuantizationChoices,
  changed?: ReadonlyMap<string, number>,
): QuantizationSection {
  const { plan, state } = quantized;
  const { wbits, abits, calibration } = choices;
  return {
    wbits,
    abits,
    calibration,
    calibrationSamples: countCalibrated(quantized, choices),
    ...describePlan(plan, state.weights.values(), changed),
  };
}

/** The choices that a quantized file tells of itself: the same whether ranges came from samples or from statistics of them. */
export const madeWith = (
  quantized: Pick<Prepared, "dataset" | "statistics">,
  { statistics: _path, ...choices }: QuantizationChoices,
): QuantizationChoices => ({ ...choices, calibrationSamples: countCalibrated(quantized, choices) });

/** What ranges were found from, for the report. */
export const describeCalibration = ({
  dataset,
  statistics,
}: Pick<Prepared, "dataset" | "statistics">): Record<string, unknown> =>
  statistics === undefined
    ? dataset.describe()
    : {
        format: "statistics",
        path: statistics.path,
        samples: statistics.statistics.samples,
        of: statistics.statistics.data,
      };

/** Samples that ranges were found from. */
const countCalibrated = (
  { dataset, statistics }: Pick<Prepared, "dataset" | "statistics">,
  { calibrationSamples = usualSamples }: Pick<QuantizationChoices, "calibrationSamples">,
): number => statistics?.statistics.samples ?? Math.min(calibrationSamples, dataset.length);

/** What is quantized and what stays float. `changed`: rows of which training changed a code, by weight. */
export function describePlan(
  plan: QuantizationPlan,
  weights: Iterable<Layer>,
  changed?: ReadonlyMap<string, number>,
): Omit<QuantizationSection, "wbits" | "abits"> {
  return {
    target: plan.target,
    weights: plan.weights.length,
    activations: plan.activations.length,
    layers: Array.from(weights, ({ name, nodes, op, bits, shape, axis }) => ({
      weight: name,
      nodes,
      op,
      bits,
      shape,
      rows: shape[axis] ?? 1,
      ...(changed === undefined ? {} : { changedRows: changed.get(name) ?? 0 }),
    })),
    float: plan.float,
    dropped: plan.dropped.map(({ node, op, reason }) => ({ node, op, reason })),
  };
}

/** Warnings that follow from the values of the quantizers. */
export function quantizationWarnings({ weights }: QuantizationState): string[] {
  return enlargedWarnings(
    Array.from(weights.values(), ({ name, enlargedRows }) => [name, enlargedRows.length]),
  );
}

/** Warnings of rows whose scale was enlarged so that their int32 bias fits, from their number by weight. */
export function enlargedWarnings(rows: Iterable<readonly [weight: string, count: number]>): string[] {
  return [...rows]
    .filter(([, count]) => count > 0)
    .map(
      ([weight, count]) =>
        `${count} rows of "${weight}" have an enlarged scale so that their int32 bias does not overflow.`,
    );
}
