import { z } from "zod";
import { exponents, mostBins } from "./histogram.ts";

/** Dimensions that a tensor may have. */
const mostDimensions = 64;

const text = z.string().max(4096);
const count = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER);
/** A finite number that float32 holds. */
const value = z.number().min(-3.5e38).max(3.5e38);
const dims = z
  .array(
    z
      .number()
      .int()
      .nonnegative()
      .max(2 ** 40),
  )
  .max(mostDimensions);

const histogram = z.object({
  exponent: z.number().int().min(exponents.min).max(exponents.max),
  first: z.number().int(),
  counts: z.array(count).min(1).max(mostBins),
  zeros: count,
});

const range = z.tuple([value, value]);

const named = {
  name: text,
  shape: z
    .array(z.union([z.number(), z.string(), z.null()]))
    .max(mostDimensions)
    .nullable(),
};

/** A value whose ranges can be told. */
const seenValue = z.object({
  ...named,
  kind: z.literal("seen"),
  /** Samples, or runs where no dimension of the value counts samples. */
  samples: count.positive(),
  min: value,
  max: value,
  /** Extremes of the first sample, from which the average starts. */
  first: range,
  /** Average of each sample's extremes: see `movingAverage`. */
  average: range,
  histogram,
  /** What a look at samples found of codes over [min, max]: see `watchSpoilt`; absent where nobody looked. */
  bulk: z.object({ share: z.number(), lost: z.number() }).nullable().exactOptional(),
  /** The layer that alone reads it and whose results codes spoil: the share off by more than half, and their SQNR in dB. */
  layer: z.object({ reader: text, off: z.number(), decibels: z.number() }).exactOptional(),
});

const spoiltValue = z.object({ ...named, kind: z.enum(["infinite", "nan"]), sample: count });
const unseenValue = z.object({ ...named, kind: z.literal("unseen") });

const valueStatistics = z.discriminatedUnion("kind", [seenValue, spoiltValue, unseenValue]);

const inputStatistics = z.object({
  name: text,
  dtype: text,
  /** As one sample, or one run of a model that takes several, feeds it. */
  dims,
  min: z.number(),
  max: z.number(),
});

/** What is kept of a model's values over samples: all that its ranges are found from, for any target. */
export const statisticsSchema = z.object({
  format: z.literal("efqat statistics"),
  formatVersion: z.literal(1),
  tool: z.object({ name: text, version: text }),
  model: z.object({ file: text, sha256: z.string().regex(/^[0-9a-f]{64}$/) }),
  samples: count.positive(),
  /** Samples that the model takes at a time, where it does not take any number. */
  samplesPerRun: count.positive().exactOptional(),
  /** What was read, one entry for each run whose statistics were merged. */
  data: z.array(z.record(z.string(), z.unknown())).min(1).max(10_000),
  inputs: z.array(inputStatistics).max(10_000),
  values: z.array(valueStatistics).max(1_000_000),
});

export type Statistics = z.infer<typeof statisticsSchema>;
export type InputStatistics = z.infer<typeof inputStatistics>;
export type ValueStatistics = z.infer<typeof valueStatistics>;
export type SeenValue = z.infer<typeof seenValue>;
