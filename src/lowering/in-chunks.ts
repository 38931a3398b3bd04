import { graphAttribute } from "../ir/attributes.ts";
import { Emitter } from "../ir/emit.ts";
import { createGraph, createValue } from "../ir/graph.ts";
import { ints } from "../tensor/tensor.ts";
import { GradientBuilder } from "./gradient-builder.ts";

/**
 * Maps a list of rows to one result row each, [R, width], `size` rows at a time in a Loop: a chunk has static shapes,
 * which R rows do not have, and fits a cache. The last chunk is filled up with row 0.
 */
export function inChunks(
  b: GradientBuilder,
  rows: string,
  { size, width }: { size: number; width: number },
  compute: (b: GradientBuilder, rows: string) => string,
): string {
  const count = b.op("Shape", [rows]);
  const rounds = b.div(b.add(count, b.ints([size - 1])), b.ints([size]));
  const filler = b.ints(Array.from({ length: size }, () => 0));
  const filled = b.op("Concat", [rows, filler], { axis: 0 });

  const body = createGraph("chunk");
  const inner = new GradientBuilder(new Emitter(body, b.emitter));
  const [round, more] = ["round", "more"].map((hint) => b.emitter.fresh(`${b.emitter.prefix}/${hint}`)) as [
    string,
    string,
  ];
  body.inputs.push(createValue(round, "int64", []), createValue(more, "bool", []));
  const start = inner.reshape(inner.mul(round, b.emitter.constant(ints([size], []))), [1]);
  const chunk = inner.op("Slice", [filled, start, inner.add(start, b.ints([size]))]);
  const result = compute(inner, chunk);
  body.outputs.push(createValue(inner.op("Identity", [more]), "bool", []));
  body.outputs.push(createValue(result, "float32", [size, width]));

  const loop = [b.reshape(rounds, []), ""];
  const chunks = b.op("Loop", loop, { body: graphAttribute(body) });
  return b.op("Slice", [b.reshape(chunks, [-1, width]), b.ints([0]), count]);
}
