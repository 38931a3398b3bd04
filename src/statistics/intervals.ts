/** Intervals that hold the true value in 95 of 100 draws of samples. */

export type Interval = readonly [low: number, high: number];

/** Two-sided 95 % point of the standard normal distribution. */
export const z95 = 1.959963984540054;

/**
 * Wilson's score interval of a rate (Wilson 1927, J. Am. Stat. Assoc. 22; Brown, Cai, DasGupta 2001, Stat. Sci. 16):
 *   (p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n)
 * `successes` may be a sum of fractions; undefined without trials.
 */
export function wilsonInterval(successes: number, trials: number): Interval | undefined {
  if (trials === 0) return undefined;
  const rate = successes / trials;
  const square = z95 ** 2;
  const middle = rate + square / (2 * trials);
  const half = z95 * Math.sqrt((rate * (1 - rate)) / trials + square / (4 * trials ** 2));
  const scale = 1 + square / trials;
  const [low, high] = [(middle - half) / scale, (middle + half) / scale];
  // At rates of 0 and 1 a bound is the rate itself; rounding must not put it beside it.
  return [Math.max(0, Math.min(low, rate)), Math.min(1, Math.max(high, rate))];
}

export interface Mean {
  mean: number;
  /** Standard error of the mean; NaN of fewer than two values. */
  error: number;
}

/** The mean of values with its standard error, s / √n. */
export function meanOf(values: ArrayLike<number>): Mean {
  const count = values.length;
  let sum = 0;
  for (let i = 0; i < count; i++) sum += values[i] as number;
  const mean = sum / count;
  let squares = 0;
  for (let i = 0; i < count; i++) squares += ((values[i] as number) - mean) ** 2;
  return { mean, error: count < 2 ? NaN : Math.sqrt(squares / (count - 1) / count) };
}

/** The normal interval of a mean; undefined where its error is not known. */
export function meanInterval(values: ArrayLike<number>): Interval | undefined {
  const { mean, error } = meanOf(values);
  return Number.isFinite(error) ? [mean - z95 * error, mean + z95 * error] : undefined;
}

/**
 * The natural logarithm of Σa / Σb over pairs, with its standard error by linearisation (Cochran, Sampling Techniques,
 * 3rd ed. 1977, 6.4):  var(ln Σa/Σb) ≈ n/(n-1) Σ (aᵢ/Σa - bᵢ/Σb)²
 */
export function logRatioOf(a: ArrayLike<number>, b: ArrayLike<number>): Mean {
  const count = a.length;
  let [sumA, sumB] = [0, 0];
  for (let i = 0; i < count; i++) {
    sumA += a[i] as number;
    sumB += b[i] as number;
  }
  let squares = 0;
  for (let i = 0; i < count; i++) squares += ((a[i] as number) / sumA - (b[i] as number) / sumB) ** 2;
  const error = count < 2 ? NaN : Math.sqrt((count / (count - 1)) * squares);
  return { mean: Math.log(sumA / sumB), error };
}
