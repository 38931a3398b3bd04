import type { Graph } from "../../ir/model.ts";
import type { Manifest } from "../artifact/manifest.ts";
import { trainedPositions } from "../artifact/train-from.ts";
import type { StepCosts } from "../freezing/selection.ts";

/** What the parts of a backward should take by their operations alone, in operations: for an estimate before anything ran. */
export function flopCosts(graph: Graph, manifest: Manifest): StepCosts {
  const { forward, backwardData, backwardWeightFull, backwardWeightPerRow } = manifest.flops;
  const { positions, placeOf } = trainedPositions(graph, manifest);
  const layers = manifest.weights.map(({ name, codes, shape, axis }) => {
    const perRow = backwardWeightPerRow[name] ?? 0;
    return { name, position: placeOf(codes), perRow, data: perRow * (shape[axis] as number) };
  });
  const reach = (position: number): number =>
    layers.reduce((sum, each) => sum + (each.position > position ? each.data : 0), 0);
  return {
    forward,
    full: backwardData + backwardWeightFull,
    positions,
    weights: Object.fromEntries(
      layers.map(({ name, position, perRow }) => [
        name,
        { position, reach: reach(position), fixed: 0, perRow },
      ]),
    ),
  };
}
