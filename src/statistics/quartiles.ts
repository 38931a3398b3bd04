/** Median and quartiles, by linear interpolation between the nearest values; NaN of no values. */
export function quartilesOf(values: readonly number[]): [lower: number, median: number, upper: number] {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number): number => {
    const place = share * (sorted.length - 1);
    const below = Math.floor(place);
    const low = sorted[below] ?? NaN;
    return low + (place - below) * ((sorted[below + 1] ?? low) - low);
  };
  return [at(0.25), at(0.5), at(0.75)];
}
