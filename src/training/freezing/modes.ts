import { chooseWithinBudget } from "./budget.ts";
import type { Allowance, Candidate, Selection } from "./selection.ts";

/** Chooses rows to train. */
type SelectRows = (candidates: readonly Candidate[], allowance: Allowance) => Selection;

/** Channel-wise per layer: in every weight the `round(ratio * C)` most important rows. */
const cwpl: SelectRows = (candidates, { ratio }) => ({
  rows: candidates.map(({ importance }) => {
    const count = Math.round(ratio * importance.length);
    return ranked(importance).slice(0, count).sort(ascending);
  }),
});

/** Channel-wise per network: the `round(ratio * rows)` most important rows of all weights together. */
const cwpn: SelectRows = (candidates, { ratio }) => {
  const all = candidates.flatMap(({ importance }, weight) =>
    Array.from(importance, (score, row) => ({ weight, row, score })),
  );
  const order = ranked(all.map(({ score }) => score)).slice(0, Math.round(ratio * all.length));
  const chosen: number[][] = candidates.map(() => []);
  for (const index of order) {
    const entry = all[index];
    if (entry !== undefined) chosen[entry.weight]?.push(entry.row);
  }
  return { rows: chosen.map((rows) => rows.sort(ascending)) };
};

/**
 * Layer-wise per network: whole weights, best mean importance first, while they fit into `ratio` of all elements.
 * A weight that does not fit is passed over, and smaller ones after it may still be taken.
 */
const lwpn: SelectRows = (candidates, { ratio }) => {
  const sizes = candidates.map(({ importance, rowSize }) => importance.length * rowSize);
  let budget = ratio * sizes.reduce((sum, size) => sum + size, 0) * (1 + 1e-12);
  const chosen: number[][] = candidates.map(() => []);
  for (const index of ranked(candidates.map(({ importance }) => mean(importance)))) {
    const size = sizes[index] as number;
    if (size > budget) continue;
    budget -= size;
    chosen[index] = Array.from(candidates[index]?.importance ?? [], (_, row) => row);
  }
  return { rows: chosen };
};

/** The most importance that `budget` of a full backward's time buys; as CWPL before anything was measured. */
const cost: SelectRows = (candidates, allowance) =>
  allowance.costs === undefined
    ? cwpl(candidates, allowance)
    : chooseWithinBudget(candidates, allowance.costs, allowance.budget, allowance);

/** How the rows that train are chosen, by name. To add a mode, add a row. */
export const selectionModes = { cwpl, cwpn, lwpn, cost } satisfies Record<string, SelectRows>;

export type SelectionMode = keyof typeof selectionModes;

export const modeNames = Object.keys(selectionModes) as SelectionMode[];

/** Indices by falling score; equal scores keep their order. */
function ranked(scores: ArrayLike<number>): number[] {
  return Array.from({ length: scores.length }, (_, index) => index).sort(
    (a, b) => (scores[b] as number) - (scores[a] as number) || a - b,
  );
}

const ascending = (a: number, b: number): number => a - b;

const mean = (values: Float64Array): number =>
  values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
