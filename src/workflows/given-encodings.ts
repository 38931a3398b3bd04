import type { CalibratedRange } from "../calibration/observers/observer.ts";
import { readEncodings } from "../calibration/encodings/read-encodings.ts";
import { dataError } from "../errors.ts";
import { observedTensors } from "../quantization/parameters.ts";
import type { QuantizationPlan, WeightPlan } from "../quantization/types.ts";
import type { Encoding, Encodings } from "../calibration/encodings/encodings.ts";
import type { RangeSource } from "./find-ranges.ts";

/** Ranges and scales of another tool's file, as far as a plan has a use for them. */
export interface GivenEncodings {
  /** Scales of weights, once settled. */
  readonly scales: ReadonlyMap<string, readonly number[]>;
  /** A source that answers from the file first. */
  before(source: RangeSource): RangeSource;
  /** What the plan makes of the file, in words. Throws data/encodings where it is of another model altogether. */
  settle(plan: QuantizationPlan): string[];
}

/** Reads the file of --encodings; undefined where there is none. */
export async function openEncodings(path: string | undefined): Promise<GivenEncodings | undefined> {
  if (path === undefined) return undefined;
  const encodings = await readEncodings(path);
  const { ranges } = encodings;
  const scales = new Map<string, readonly number[]>();
  return {
    scales,
    before: (source) => async (values, options) => {
      const found = new Map<string, CalibratedRange>();
      for (const name of values) {
        const range = ranges.get(name);
        if (range !== undefined) found.set(name, range);
      }
      const others = values.filter((name) => !found.has(name));
      if (others.length > 0)
        for (const [name, range] of await source(others, options)) found.set(name, range);
      return found;
    },
    settle(plan) {
      const unfit = takeScales(plan.weights, encodings, scales);
      return describe(path, plan, encodings, scales.size, unfit);
    },
  };
}

/** Weights whose entry fits; others are named. */
function takeScales(
  weights: readonly WeightPlan[],
  encodings: Encodings,
  scales: Map<string, readonly number[]>,
): string[] {
  const unfit: string[] = [];
  for (const weight of weights) {
    const rows = encodings.weights.get(weight.name);
    if (rows === undefined) continue;
    if (rows.every((row) => fits(row, weight)))
      scales.set(
        weight.name,
        rows.map(({ scale }) => scale),
      );
    else unfit.push(weight.name);
  }
  return unfit;
}

/** Codes of as many bits, around zero. */
const fits = ({ bits, symmetric, offset }: Encoding, weight: WeightPlan): boolean =>
  bits === weight.bits && (symmetric || offset === -(2 ** (bits - 1)));

function describe(
  path: string,
  plan: QuantizationPlan,
  { ranges, weights }: Encodings,
  scales: number,
  unfit: readonly string[],
): string[] {
  const observed = [...observedTensors(plan).keys()];
  const used = observed.filter((name) => ranges.has(name)).length;
  if (used + scales + unfit.length === 0) {
    const [example = "nothing"] = [...ranges.keys(), ...weights.keys()];
    throw dataError(
      "encodings",
      `The encodings are of other values than the model quantizes: they name "${example}", and the model has "${observed[0] ?? ""}"`,
      path,
      "Give those of this model, or leave --encodings out.",
    );
  }
  const notes = [
    `${used} of ${observed.length} ranges and ${scales} of ${plan.weights.length} weights' scales are those of the encodings.`,
  ];
  if (unfit.length > 0)
    notes.push(
      `The encodings of ${unfit.length} weights, such as "${unfit[0] ?? ""}", are of other codes and were left out.`,
    );
  return notes;
}
