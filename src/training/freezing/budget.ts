import type { Candidate, Selection } from "./modes.ts";

/** What the parts of a training step's backward take, in milliseconds, measured on this machine. */
export interface StepCosts {
  /** The whole backward with every row trained. */
  full: number;
  /** One entry per quantized weight, by its name. */
  weights: Readonly<Record<string, WeightCost>>;
}

export interface WeightCost {
  /** Place of its layer in the order of the forward. */
  position: number;
  /** The backward without any weight gradient, when this is the first weight that trains. */
  reach: number;
  /** Its weight gradient: what it takes as soon as a row trains, and what each row adds. */
  fixed: number;
  perRow: number;
}

/**
 * For every place where the backward may end, fills what the budget leaves with the rows of most importance per
 * millisecond, and takes the place that gathers most importance: the knapsack of ElasticTrainer with rows for tensors,
 * where taking by density is exact but for the last row.
 */
export function chooseWithinBudget(
  candidates: readonly Candidate[],
  { full, weights }: StepCosts,
  budget: number,
): Selection {
  const layers = candidates.map(({ name }) => weights[name] ?? unreachable);
  const offers = candidates.flatMap(({ importance }, layer) => {
    const { fixed, perRow } = layers[layer] as WeightCost;
    const each = perRow + fixed / Math.max(1, importance.length);
    return Array.from(importance, (score, row) => ({ layer, row, score, density: score / each }));
  });
  offers.sort((a, b) => b.density - a.density || a.layer - b.layer || a.row - b.row);
  const fills = layers
    .map(({ position, reach }, index) => ({ index, position, left: budget * full - reach }))
    .filter(({ left, position }) => left >= 0 && Number.isFinite(position))
    .sort((a, b) => a.position - b.position)
    .map(({ index, position, left }) => ({ index, ...fill(offers, layers, position, left) }));
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

/** Rows by falling density while they fit, of the layers from `position` on. */
function fill(
  offers: readonly Offer[],
  layers: readonly WeightCost[],
  position: number,
  budget: number,
): { value: number; rows: number[][] } {
  const rows = layers.map((): number[] => []);
  let [left, value] = [budget, 0];
  for (const { layer, row, score } of offers) {
    const cost = layers[layer] as WeightCost;
    const taken = rows[layer] as number[];
    if (cost.position < position) continue;
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
