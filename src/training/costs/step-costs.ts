import { reachableNodes } from "../../ir/graph.ts";
import type { Graph } from "../../ir/model.ts";
import type { KernelTime } from "../../runtime/read-profile.ts";
import { trainedInputs, trainedPositions } from "../artifact/train-from.ts";
import type { Manifest } from "../artifact/manifest.ts";
import type { StepCosts, WeightCost } from "../freezing/selection.ts";
import { namedValues } from "../../named-values.ts";

/** Kernel times of runs of the training graph with so many rows of every weight trained. */
export interface MeasuredRuns {
  rows: ReadonlyMap<string, number>;
  runs: readonly (readonly KernelTime[])[];
}

/**
 * What a backward's parts take, from two profiles: with all rows trained (`full`) and with few. A node counts to a
 * weight's gradient when nothing else needs it; the others count to the backward of every place that needs them.
 */
export function stepCosts(
  graph: Graph,
  manifest: Manifest,
  full: MeasuredRuns,
  few: MeasuredRuns,
): StepCosts {
  const { positions, placeOf } = trainedPositions(graph, manifest);
  const forward = new Set(reachableNodes(graph, ["loss"]).nodes);
  const backward = (outputs: readonly string[]) =>
    reachableNodes(graph, outputs).nodes.filter((node) => !forward.has(node));
  const always = trainedInputs(manifest);
  const shared = new Set(backward(always.map(({ grad }) => grad)));
  const [fullTimes, fewTimes] = [timesOf(full), timesOf(few)];
  const timeOf = (times: ReadonlyMap<string, number>, nodes: Iterable<{ name: string }>): number => {
    let sum = 0;
    for (const { name } of nodes) sum += times.get(name) ?? 0;
    return sum;
  };
  const weights = namedValues<WeightCost>();
  for (const { name, codes, grad } of manifest.weights) {
    const position = placeOf(codes);
    const reached = always.filter((each) => placeOf(each.name) >= position).map((each) => each.grad);
    const own = backward([grad]).filter((node) => !shared.has(node));
    const [all, some] = [timeOf(fullTimes, own), timeOf(fewTimes, own)];
    const [most, least] = [full.rows.get(name) ?? 1, few.rows.get(name) ?? 0];
    const perRow = most === least ? all / most : Math.max(0, (all - some) / (most - least));
    const fixed = Math.max(0, all - perRow * most);
    weights[name] = { position, reach: timeOf(fewTimes, backward(reached)), fixed, perRow };
  }
  return {
    forward: timeOf(fewTimes, forward),
    full: timeOf(
      fullTimes,
      graph.nodes.filter((node) => !forward.has(node)),
    ),
    positions,
    weights,
  };
}

/** Median milliseconds of the kernels made for each node. */
function timesOf({ runs }: MeasuredRuns): Map<string, number> {
  const samples = new Map<string, number[]>();
  for (const run of runs) {
    const sums = new Map<string, number>();
    for (const { node, ms } of run) sums.set(node, (sums.get(node) ?? 0) + ms);
    for (const [node, ms] of sums) samples.set(node, [...(samples.get(node) ?? []), ms]);
  }
  return new Map(Array.from(samples, ([node, each]) => [node, median(each)]));
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
