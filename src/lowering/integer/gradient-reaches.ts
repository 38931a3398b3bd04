import { Emitter } from "../../ir/emit.ts";
import { cloneGraph } from "../../ir/clone.ts";
import { createValue } from "../../ir/graph.ts";
import type { Graph } from "../../ir/model.ts";
import { GradientBuilder } from "../gradient-builder.ts";
import { type IntegerBackward, reachName } from "./plan-backward.ts";

/**
 * An abstract backward whose outputs are scalars: how far the gradients reach that are planned to become codes. For those
 * that integer kernels make, whose codes are symmetric, the largest absolute value; for those that are turned into codes
 * half the width of their range, zero included.
 */
export function withReaches(source: Graph, { coded, entries }: IntegerBackward): Graph {
  const graph = cloneGraph(source);
  const b = new GradientBuilder(new Emitter(graph));
  const extreme = (opType: string, name: string): string => b.op(opType, [name], { keepdims: 0 });
  graph.outputs = [...coded, ...entries].map((name) => {
    b.emitter.prefix = name;
    const since = graph.nodes.length;
    const [most, least] = [extreme("ReduceMax", name), extreme("ReduceMin", name)];
    const reach = entries.has(name)
      ? b.mul(b.sub(b.op("Max", [most, b.scalar(0)]), b.op("Min", [least, b.scalar(0)])), b.scalar(0.5))
      : b.op("Max", [most, b.neg(least)]);
    b.nameOutput(reach, reachName(name), since);
    return createValue(reachName(name), "float32", []);
  });
  return graph;
}
