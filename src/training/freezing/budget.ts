import type { Candidate, Selection, StepCosts, WeightCost } from "./selection.ts";

/**
 * For every place where the backward may end, fills what the budget leaves with the rows of most importance per
 * unit of cost, and takes the place that gathers most: the knapsack of ElasticTrainer with rows for tensors, where taking
 * by density is exact but for the last row. What trains wherever the backward gets to counts as well: with `standing`,
 * the importance of scales, zero points and float parameters by name, else once more that of the rows. `end`: the candidate
 * where the backward has to end, if the budget gets there.
 */
export function chooseWithinBudget(
  candidates: readonly Candidate[],
  { full, weights, positions }: StepCosts,
  budget: number,
  { standing, end }: { standing?: ReadonlyMap<string, number> | undefined; end?: string | undefined },
): Selection {
  const layers = candidates.map(({ name }) => weights[name] ?? unreachable);
  const offers = candidates.flatMap(({ importance }, layer) => {
    const { fixed, perRow } = layers[layer] as WeightCost;
    const each = perRow + fixed / Math.max(1, importance.length);
    return Array.from(importance, (score, row) => ({ layer, row, score, density: score / each }));
  });
  offers.sort((a, b) => b.density - a.density || a.layer - b.layer || a.row - b.row);
  const ends = layers
    .map(({ position, reach }, index) => ({ index, position, left: budget * full - reach }))
    .filter(({ left, position }) => left >= 0 && Number.isFinite(position))
    .sort((a, b) => a.position - b.position);
  const kept = ends.filter(({ index }) => candidates[index]?.name === end);
  const fills = (kept.length > 0 ? kept : ends).map(({ index, position, left }) => {
    const reached = offers.filter(({ layer }) => (layers[layer] as WeightCost).position >= position);
    const { rows, value } = fill(reached, layers, left);
    return { index, rows, value: value + standingValue(reached, position, positions, standing) };
  });
  const cheapest = layers.reduce(
    (least, { reach }, i) => (reach < (layers[least]?.reach ?? 0) ? i : least),
    0,
  );
  const nothing = { index: cheapest, value: 0, rows: candidates.map((): number[] => []) };
  const best = fills.reduce((chosen, each) => (each.value > chosen.value ? each : chosen), nothing);
  const first = candidates[best.index]?.name;
  return {
    rows: best.rows.map((rows) => rows.sort((a, b) => a - b)),
    ...(first === undefined ? {} : { first }),
  };
}

interface Offer {
  layer: number;
  row: number;
  score: number;
}

/** Importance of what trains whenever the backward gets to `position`. */
function standingValue(
  reached: readonly Offer[],
  position: number,
  positions: StepCosts["positions"],
  standing: ReadonlyMap<string, number> | undefined,
): number {
  if (standing === undefined) return reached.reduce((sum, { score }) => sum + score, 0);
  let value = 0;
  for (const [name, importance] of standing) if ((positions[name] ?? -1) >= position) value += importance;
  return value;
}

/** Rows by falling density while they fit. */
function fill(
  offers: readonly Offer[],
  layers: readonly WeightCost[],
  budget: number,
): { value: number; rows: number[][] } {
  const rows = layers.map((): number[] => []);
  let [left, value] = [budget, 0];
  for (const { layer, row, score } of offers) {
    const cost = layers[layer] as WeightCost;
    const taken = rows[layer] as number[];
    const price = cost.perRow + (taken.length === 0 ? cost.fixed : 0);
    if (price > left) continue;
    left -= price;
    value += score;
    taken.push(row);
  }
  return { value, rows };
}

/** A weight that the backward does not reach. */
const unreachable: WeightCost = { position: Infinity, reach: Infinity, fixed: Infinity, perRow: Infinity };
