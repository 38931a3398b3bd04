import { z } from "zod";
import type { Encoding, Encodings } from "./encodings.ts";
import { rangeOf } from "./encodings.ts";

const finite = z.number().min(-3.5e38).max(3.5e38);
const truth = z.union([z.boolean(), z.enum(["True", "False", "true", "false"])]);
const isTrue = (value: z.infer<typeof truth>): boolean =>
  value === true || value === "True" || value === "true";
const bits = z.number().int().min(1).max(64);

/** Of floats there is no more than their width. */
const old = z.object({
  bitwidth: bits,
  dtype: z.string().default("int"),
  is_symmetric: truth.default(false),
  scale: finite.optional(),
  offset: finite.optional(),
  min: finite.optional(),
  max: finite.optional(),
});

/** Versions up to 0.6.1, and overrides of the QNN and SNPE converters, which have none. */
const oldFile = z.object({
  version: z.string().optional(),
  activation_encodings: z.record(z.string(), z.array(old)),
  param_encodings: z.record(z.string(), z.array(old)),
});

const entry = z.object({
  name: z.string(),
  dtype: z.string(),
  bw: bits,
  enc_type: z.string().default("PER_TENSOR"),
  is_sym: z.boolean().default(false),
  scale: z.array(finite).default([]),
  offset: z.array(finite).default([]),
});

/** Version 1.0.0: lists in place of objects. */
const newFile = z.object({
  version: z.string(),
  activation_encodings: z.array(entry),
  param_encodings: z.array(entry),
});

const oneOrMore = z.union([finite.transform((value) => [value]), z.array(finite)]);

/** Version 2.0.0: the inputs of a QuantizeLinear, of values and weights alike. */
const latestFile = z.object({
  version: z.string(),
  encodings: z.array(
    z.object({
      name: z.string(),
      output_dtype: z.string(),
      y_scale: oneOrMore.catch([]),
      y_zero_point: oneOrMore.default([0]).catch([]),
      block_size: z.number().optional(),
    }),
  ),
});

/** The widest codes that are of use here. */
const widest = 32;

/** AIMET's encodings of version 0.6.1, 1.0.0 or 2.0.0; undefined for anything else. What is kept in floats has no entry. */
export function readAimet(json: unknown): Encodings | undefined {
  const latest = latestFile.safeParse(json);
  if (latest.success) {
    const all = latest.data.encodings.map(ofQuantizer);
    return collect(all, all);
  }
  const recent = newFile.safeParse(json);
  if (recent.success)
    return collect(recent.data.activation_encodings.map(ofEntry), recent.data.param_encodings.map(ofEntry));
  const early = oldFile.safeParse(json);
  if (!early.success) return undefined;
  const list = (table: z.infer<typeof oldFile>["param_encodings"]) =>
    Object.entries(table).map(([name, rows]) => ({ name, rows: rows.flatMap((row) => ofOld(row) ?? []) }));
  return collect(list(early.data.activation_encodings), list(early.data.param_encodings));
}

interface Named {
  name: string;
  rows: Encoding[];
}

const collect = (activations: readonly Named[], weights: readonly Named[]): Encodings => ({
  ranges: new Map(
    activations.flatMap(({ name, rows }) =>
      rows.length === 1 ? [[name, rangeOf(rows[0] as Encoding)]] : [],
    ),
  ),
  weights: new Map(weights.flatMap(({ name, rows }) => (rows.length === 0 ? [] : [[name, rows]]))),
});

function ofOld({
  bitwidth,
  dtype,
  is_symmetric,
  scale,
  offset,
  min,
  max,
}: z.infer<typeof old>): Encoding | undefined {
  if (dtype !== "int" || bitwidth > widest) return undefined;
  const symmetric = isTrue(is_symmetric);
  if (scale !== undefined && offset !== undefined) return valid({ bits: bitwidth, scale, offset, symmetric });
  if (min === undefined || max === undefined || !(min < max)) return undefined;
  const step = (max - min) / (2 ** bitwidth - 1);
  return valid({ bits: bitwidth, scale: step, offset: Math.round(min / step), symmetric });
}

/** Blocks within rows have no counterpart. */
function ofEntry({ name, dtype, bw, enc_type, is_sym, scale, offset }: z.infer<typeof entry>): Named {
  if (dtype.toUpperCase() !== "INT" || bw > widest || !/^PER_(TENSOR|CHANNEL)$/.test(enc_type))
    return { name, rows: [] };
  const rows = scale.map((each, row) => {
    const own = offset[row] ?? offset[0] ?? -(2 ** (bw - 1));
    return valid({ bits: bw, scale: each, offset: own, symmetric: is_sym });
  });
  return { name, rows: rows.every((row) => row !== undefined) ? rows : [] };
}

/** Codes of a signed type start at -2^(bits - 1), where ours start at 0. */
function ofQuantizer(each: z.infer<typeof latestFile>["encodings"][number]): Named {
  const { name, output_dtype, y_scale, y_zero_point, block_size } = each;
  const [, unsigned, width] = /^(u?)int(\d+)$/.exec(output_dtype) ?? [];
  const bw = Number(width);
  if (width === undefined || bw > widest || block_size !== undefined) return { name, rows: [] };
  const lowest = unsigned === "u" ? 0 : -(2 ** (bw - 1));
  const rows = y_scale.map((scale, row) => {
    const zeroPoint = y_zero_point[row] ?? y_zero_point[0] ?? NaN;
    return valid({
      bits: bw,
      scale,
      offset: lowest - zeroPoint,
      symmetric: unsigned === "" && zeroPoint === 0,
    });
  });
  return { name, rows: rows.every((row) => row !== undefined) ? rows : [] };
}

const valid = (encoding: Encoding): Encoding | undefined =>
  encoding.scale > 0 && Number.isInteger(encoding.offset) ? encoding : undefined;
