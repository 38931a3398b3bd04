import { graphAttribute } from "../ir/attributes.ts";
import { Emitter } from "../ir/emit.ts";
import { createGraph, createValue } from "../ir/graph.ts";
import { GradientBuilder } from "./gradient-builder.ts";

/**
 * Maps a list of rows to one result row each, [R, width]: by `all`, which computes every row in order, if the list has
 * `count` entries (all rows train), otherwise by `some`. The choice is an If in the graph.
 */
export function ifAllRows(
  b: GradientBuilder,
  rows: string,
  { count, width }: { count: number; width: number },
  { all, some }: Record<"all" | "some", (b: GradientBuilder) => string>,
): string {
  const branch = (
    name: string,
    compute: (inner: GradientBuilder) => string,
  ): ReturnType<typeof graphAttribute> => {
    const body = createGraph(name);
    const result = compute(new GradientBuilder(new Emitter(body, b.emitter)));
    // No name for the number of rows: under one name ONNX Runtime would take those of all layers for the same.
    body.outputs.push(createValue(result, "float32", [undefined, width]));
    return graphAttribute(body);
  };
  const every = b.op("Equal", [b.op("Shape", [rows]), b.ints([count])]);
  return b.op("If", [every], {
    then_branch: branch("all", (inner) => inner.op("Gather", [all(inner), rows])),
    else_branch: branch("some", some),
  });
}
