import { meanOf, type Mean } from "./intervals.ts";

/** Values of two things on the same samples, told apart: the mean of a - b with its standard error. */
export function pairedDifference(a: ArrayLike<number>, b: ArrayLike<number>): Mean {
  return meanOf(Float64Array.from({ length: a.length }, (_, i) => (a[i] as number) - (b[i] as number)));
}

/** One-sided 95 % points of Student's t distribution at 1, 2, ... degrees of freedom. */
const studentPoints = [6.314, 2.92, 2.353, 2.132, 2.015, 1.943, 1.895, 1.86, 1.833, 1.812];

/**
 * One-sided 95 % point of Student's t: from the table, and beyond it (Abramowitz and Stegun 26.7.5)
 *   z + (z³ + z)/4ν + (5z⁵ + 16z³ + 3z)/96ν² + (3z⁷ + 19z⁵ + 17z³ - 15z)/384ν³
 */
export function studentPoint(freedom: number): number {
  const z = 1.6448536269514722;
  const first = (z ** 3 + z) / 4;
  const second = (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96;
  const third = (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / 384;
  return studentPoints[freedom - 1] ?? z + first / freedom + second / freedom ** 2 + third / freedom ** 3;
}

/** Whether values paired with others are below them on average beyond what chance explains: a paired t test at 5 %. */
export function isBelow(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  const { mean, error } = pairedDifference(a, b);
  if (a.length < 2 || !(mean < 0)) return false;
  return -mean > studentPoint(a.length - 1) * error;
}

/** Answers, 1 for right and 0 for wrong, that another run has right instead of wrong, and wrong instead of right. */
export function changedAnswers(
  before: ArrayLike<number>,
  after: ArrayLike<number>,
): { won: number; lost: number } {
  let [won, lost] = [0, 0];
  for (let i = 0; i < after.length; i++) {
    if (before[i] === 0 && after[i] === 1) won++;
    else if (before[i] === 1 && after[i] === 0) lost++;
  }
  return { won, lost };
}

/**
 * The sign test of `plus` against `minus` (of right and wrong answers: McNemar's exact test): the probability that chance
 * alone makes their difference at least as large, in either direction.
 */
export function signTest(plus: number, minus: number): number {
  const total = plus + minus;
  let term = -total * Math.LN2;
  let tail = 0;
  for (let k = 0; k <= Math.min(plus, minus); k++) {
    tail += Math.exp(term);
    term += Math.log((total - k) / (k + 1));
  }
  return Math.min(1, 2 * tail);
}
