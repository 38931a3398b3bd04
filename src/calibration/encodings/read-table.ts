import { z } from "zod";
import type { ValueRange } from "../../tensor/affine.ts";
import type { Encodings } from "./encodings.ts";

const finite = z.number().min(-3.5e38).max(3.5e38);

/** A number as NumPy's arrays of one element are written. */
const scalar = z.union([
  finite,
  z
    .object({ data: z.union([finite, z.array(finite).length(1)]) })
    .transform(({ data }) => (typeof data === "number" ? data : (data[0] as number))),
]);

const tensorData = z.union([
  z
    .object({ lowest: scalar, highest: scalar })
    .transform(({ lowest, highest }) => [lowest, highest] as const),
  z.tuple([scalar, scalar]),
]);

const tensorsData = z.object({ data: z.record(z.string(), tensorData) }).transform(({ data }) => data);

/** Calibration tables of onnxruntime.quantization as JSON (calibration.json); undefined for anything else. */
export function readTableJson(json: unknown): Encodings | undefined {
  const whole = tensorsData.safeParse(json);
  const parsed = whole.success ? whole : z.record(z.string(), tensorData).safeParse(json);
  if (!parsed.success) return undefined;
  return {
    ranges: new Map(Object.entries(parsed.data).map(([name, [min, max]]) => [name, { min, max }])),
    weights: new Map(),
  };
}

/**
 * Calibration tables as text: onnxruntime.quantization's calibration.cache (a name and the largest value in a line), and
 * TensorRT's own (a name and the step of int8 codes as the bytes of a float32). Both mean symmetric ranges. undefined for
 * anything else.
 */
export function readTableText(text: string): Encodings | undefined {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== "");
  const isTensorRT = /^TRT-\d+-/.test(lines[0] ?? "");
  const ranges = new Map<string, ValueRange>();
  for (const line of isTensorRT ? lines.slice(1) : lines) {
    const [, name = "", value = ""] =
      (isTensorRT ? /^(.+): ([0-9a-f]{8})$/ : /^(.+) (\S+)$/).exec(line) ?? [];
    const most = isTensorRT
      ? 127 * Buffer.from(value, "hex").readFloatBE()
      : value === ""
        ? NaN
        : Number(value);
    if (name === "" || !Number.isFinite(most) || most < 0) return undefined;
    ranges.set(name, { min: -most, max: most });
  }
  return ranges.size === 0 ? undefined : { ranges, weights: new Map() };
}
