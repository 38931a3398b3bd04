import { usageError } from "../errors.ts";
import type { PixelRules } from "./spec.ts";

/** One value per channel out of one value or one per channel. */
export function perChannel(values: readonly number[], channels: number, option: string): number[] {
  if (values.length === channels) return [...values];
  if (values.length === 1) return Array.from({ length: channels }, () => values[0] as number);
  throw usageError(
    "channels",
    `There are ${values.length} values for ${channels} channel${channels === 1 ? "" : "s"}`,
    option,
    "Give one value, or one per channel separated by commas.",
  );
}

/** For each channel, what every pixel value 0..255 becomes: (pixel * scale + offset - mean) / std. */
export function pixelTables(
  mean: readonly number[],
  std: readonly number[],
  { scale, offset }: Pick<PixelRules, "scale" | "offset">,
): Float32Array[] {
  const factor = 1 / scale;
  return mean.map((channelMean, channel) =>
    Float32Array.from(
      { length: 256 },
      (_, pixel) => (pixel / factor + offset - channelMean) / (std[channel] as number),
    ),
  );
}
