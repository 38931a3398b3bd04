import type { TrainingSection } from "../report/report-data.ts";
import type { Manifest } from "../training/artifact/manifest.ts";
import { type Schedule, scheduleFactor } from "../training/schedule.ts";
import type { History } from "../training/trainer/events.ts";

/** Most steps whose learning rates a report has, and most choices of rows. */
const [mostRates, mostChoices] = [200, 64];

/** The learning rates of a run: of weights and of activation scales, where those train. */
export function describeRates(
  { optimizer, batch, accumulate }: Manifest,
  { steps, totalSteps }: History,
  schedule: Schedule,
  hyper: Readonly<Record<string, number | undefined>>,
): NonNullable<TrainingSection["rates"]> {
  const baseOf = (name: string): number | undefined =>
    hyper[name] ?? optimizer.inputs.find((input) => input.name === name)?.default ?? undefined;
  const [rate, scaleRate] = [baseOf("lr.weights"), baseOf("lr.activation_scales")];
  if (rate === undefined) return [];
  return spread(steps, mostRates).map((step) => {
    const factor = scheduleFactor(schedule, step, totalSteps);
    const samples = (step + 1) * batch * accumulate;
    const scales = scaleRate === undefined ? {} : { scaleRate: factor * scaleRate };
    return { samples, rate: factor * rate, ...scales };
  });
}

/** The share of each weight's rows that trained, by choice; undefined where a run does not know. */
export function describeRowsOverTime(
  { weights, batch, accumulate }: Manifest,
  { refreshes }: History,
): TrainingSection["rowsOverTime"] {
  const known = refreshes.filter(({ rows }) => rows.length === weights.length);
  if (known.length === 0 || weights.length === 0) return undefined;
  const shown = spread(known.length, mostChoices).map((index) => known[index] as (typeof known)[number]);
  return {
    samples: shown.map(({ step }) => step * batch * accumulate),
    layers: weights.map(({ name, shape, axis }, index) => ({
      weight: name,
      shares: shown.map(({ rows }) => (rows[index] as number) / Math.max(1, shape[axis] ?? 1)),
    })),
  };
}

/** Up to `most` of the indices below `count`, the first and the last among them. */
function spread(count: number, most: number): number[] {
  if (count <= most) return Array.from({ length: count }, (_, index) => index);
  return Array.from({ length: most }, (_, index) => Math.round((index * (count - 1)) / (most - 1)));
}
