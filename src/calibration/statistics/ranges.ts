import { dataError } from "../../errors.ts";
import type { CodeFormat, ValueRange } from "../../tensor/affine.ts";
import { bytes, type RangeOptions } from "../calibrate.ts";
import type { LayerPath } from "../observers/follow-value.ts";
import type { CalibratedRange, SpoiltRange } from "../observers/observer.ts";
import { spanOf } from "../observers/spoilt.ts";
import { type ObserverName, observerFor } from "../observers/table.ts";
import { notANumber } from "../run-stages.ts";
import { leastErrorRange, spoiltBulk } from "./histogram.ts";
import type { SeenValue, Statistics, ValueStatistics } from "./statistics.ts";

/**
 * Ranges of the named values as `calibrate` finds them from the samples that the statistics are of: those of minmax and
 * moving-average are the same, those of mse are found from histograms. `where`: the file.
 * @throws UserError data/statistics-values for values that nothing is known of; for values that are NaN.
 */
export function rangesOf(
  { values }: Pick<Statistics, "values">,
  names: Iterable<string>,
  where: string,
  { method = "auto", formats, readers }: RangeOptions = {},
): Map<string, CalibratedRange> {
  const known = new Map(values.map((value) => [value.name, value]));
  const wanted = [...names];
  const missing = wanted.filter((name) => !known.has(name));
  if (missing.length > 0)
    throw dataError(
      "statistics-values",
      `The statistics know nothing of ${missing.length} values of the model, such as "${missing[0] ?? ""}"`,
      where,
      "They are of another version of efqat, or of other shapes of inputs: run efqat calibrate again.",
    );
  return new Map(
    wanted.map((name) => {
      const format = formats?.get(name) ?? bytes;
      const value = known.get(name) as ValueStatistics;
      return [name, rangeOf(value, observerFor(method, format), format, readers?.get(name))];
    }),
  );
}

function rangeOf(
  value: ValueStatistics,
  method: ObserverName,
  format: CodeFormat,
  path: LayerPath | undefined,
): CalibratedRange {
  switch (value.kind) {
    case "nan":
      throw notANumber(value.name, value.sample);
    case "infinite":
      return { min: 0, max: 0, spoilt: { infiniteOn: value.sample } };
    case "unseen":
      return { min: 0, max: 0, spoilt: { unseen: true } };
    case "seen": {
      const range = findRange[method](value, format);
      const spoilt = spanOf(range) === 0 ? undefined : spoiltOf(value, range, path);
      return spoilt === undefined ? range : { ...range, spoilt };
    }
  }
}

const findRange: Readonly<Record<ObserverName, (value: SeenValue, format: CodeFormat) => ValueRange>> = {
  minmax: ({ min, max }) => ({ min, max }),
  "moving-average": ({ average: [min, max] }) => ({ min, max }),
  mse: ({ min, max, histogram }, format) => leastErrorRange(histogram, format, { min, max }),
};

/** What a look at the samples found where it was over this range, else what the histogram tells. */
function spoiltOf(value: SeenValue, range: ValueRange, path: LayerPath | undefined): SpoiltRange | undefined {
  const { bulk, layer, histogram, min, max } = value;
  if (path !== undefined) return layer?.reader === path.at(-1)?.name ? layer : undefined;
  if (bulk !== undefined && range.min === min && range.max === max) return bulk ?? undefined;
  return spoiltBulk(histogram, range);
}
