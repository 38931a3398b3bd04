import { intOf } from "../../ir/attributes.ts";
import { type Composite, NotWritten } from "./composite.ts";

/** Queries, keys and values as [batch, heads, positions, width]. */
export interface Heads {
  query: string;
  key: string;
  value: string;
  scale: number;
  /** Values that are added to the scores, as broadcast to [batch, heads, queries, keys]. */
  added: readonly string[];
  /** Scores s become cap*tanh(s/cap) before anything is added to them; 0: they stay. */
  cap?: number;
}

/** What attention computes on its way, [batch, heads, queries, keys], and its result. */
export interface Attended {
  products: string;
  capped: string;
  scores: string;
  shares: string;
  result: string;
}

/** softmax(query · keyᵀ * scale, capped, + added) · value */
export function attendInSteps(c: Composite, { query, key, value, scale, added, cap = 0 }: Heads): Attended {
  const turned = c.transpose(key, [0, 1, 3, 2]);
  const products = c.matMul(c.times(query, scale), turned);
  const capped = cap === 0 ? products : c.times(c.op("Tanh", [c.times(products, 1 / cap)]), cap);
  const scores = added.reduce((sum, each) => c.add(sum, each), capped);
  const shares = c.op("Softmax", [scores], { axis: -1 });
  return { products, capped, scores, shares, result: c.matMul(shares, value) };
}

/** The result alone. */
export const attend = (c: Composite, heads: Heads): string => attendInSteps(c, heads).result;

/** [batch, positions, heads*width] as [batch, heads, positions, width]. */
export const toHeads = (c: Composite, value: string, heads: number): string =>
  c.transpose(c.reshape(value, [0, 0, heads, -1]), [0, 2, 1, 3]);

/** [batch, heads, positions, width] as [batch, positions, heads*width]. */
export const fromHeads = (c: Composite, value: string): string =>
  c.reshape(c.transpose(value, [0, 2, 1, 3]), [0, 0, -1]);

/** Elements of a mask that is written as a constant: of 4096 positions. */
const largestMask = 2 ** 24;

/** What keeps a query from the keys behind it: `low` there, 0 elsewhere, [queries, keys]; `past` keys are before all queries. */
export function causalMask(c: Composite, queries: number, keys: number, low: number, past = 0): string {
  if (queries * keys > largestMask) throw new NotWritten("its mask of looking back only would be too large");
  const values = Array.from({ length: queries * keys }, (_, i) =>
    i % keys > Math.floor(i / keys) + past ? low : 0,
  );
  return c.numbers(values, [queries, keys]);
}

/**
 * A mask of 1 (kept) and 0, [batch, keys] or [batch, queries, keys], or how many keys of each sample are kept, [batch], as
 * values to add to scores; undefined for others.
 */
export function keptMask(c: Composite, slot: number, low: number): string | undefined {
  const rank = c.shape(slot)?.length;
  const keys = c.dim(0, 1);
  if (rank === 1 && keys !== undefined && c.shape(slot)?.[0] === c.shape(0)?.[0]) {
    const positions = c.op("Range", [c.integer(0), c.integer(keys), c.integer(1)]);
    const counts = c.op("Cast", [c.unsqueeze(c.input(slot), [1])], { to: 7 });
    const beyond = c.op("GreaterOrEqual", [c.unsqueeze(positions, [0]), counts]);
    return c.unsqueeze(c.times(c.op("Cast", [beyond], { to: 1 }), low), [1, 2]);
  }
  if (rank !== 2 && rank !== 3) return undefined;
  const dropped = c.op("Sub", [c.number(1), c.op("Cast", [c.input(slot)], { to: 1 })]);
  return c.unsqueeze(c.times(dropped, low), rank === 2 ? [1, 2] : [1]);
}

export const headsOf = (c: Composite, name = "num_heads"): number => intOf(c.node, name, 1);
