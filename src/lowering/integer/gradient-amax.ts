import { Emitter } from "../../ir/emit.ts";
import { cloneGraph } from "../../ir/clone.ts";
import { createValue } from "../../ir/graph.ts";
import type { Graph } from "../../ir/model.ts";
import { GradientBuilder } from "../gradient-builder.ts";
import { type IntegerBackward, amaxName } from "./plan-backward.ts";

/**
 * An abstract backward whose outputs are scalars: for each gradient that is planned to become codes, its largest absolute
 * value (amax). Of those that are quantized on entry, whose codes are not symmetric, it is half the width of their range,
 * zero included.
 */
export function withAmax(source: Graph, { coded, entries }: IntegerBackward): Graph {
  const graph = cloneGraph(source);
  const b = new GradientBuilder(new Emitter(graph));
  const extreme = (opType: string, name: string): string => b.op(opType, [name], { keepdims: 0 });
  graph.outputs = [...coded, ...entries].map((name) => {
    b.emitter.prefix = name;
    const since = graph.nodes.length;
    const [most, least] = [extreme("ReduceMax", name), extreme("ReduceMin", name)];
    const amax = entries.has(name)
      ? b.mul(b.sub(b.op("Max", [most, b.scalar(0)]), b.op("Min", [least, b.scalar(0)])), b.scalar(0.5))
      : b.op("Max", [most, b.neg(least)]);
    b.nameOutput(amax, amaxName(name), since);
    return createValue(amaxName(name), "float32", []);
  });
  return graph;
}
