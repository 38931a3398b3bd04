/** One thing to time: `once` does it and resolves to its own milliseconds, or to nothing to be timed from outside. */
export interface Contestant {
  name: string;
  once: () => Promise<number | undefined>;
}

/** Median of a list; the mean of the middle two for an even count. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/**
 * Times contestants in turn, A B C A B C ..., so that a machine whose speed drifts is as kind to one as to the
 * next. The first round warms up and does not count. Returns milliseconds by name, one per round.
 */
export async function interleave(
  contestants: readonly Contestant[],
  rounds: number,
  onRound: (round: number) => void = () => undefined,
): Promise<Map<string, number[]>> {
  const times = new Map<string, number[]>(contestants.map(({ name }) => [name, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const { name, once } of contestants) {
      const start = performance.now();
      const own = await once();
      const elapsed = own ?? performance.now() - start;
      if (round > 0) times.get(name)?.push(elapsed);
    }
    onRound(round);
  }
  return times;
}
