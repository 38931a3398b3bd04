/** What the backward reads in the place of a float value that integer kernels never make. */
export interface SavedActivation {
  /** The value out of codes: less the rounding to them, and within their bounds. */
  value: string;
  /** These codes; those between `low` and `high`, neither of them included, are of values within the quantizer's bounds. */
  codes: string;
  low: number;
  high: number;
  /** Whether the value tells the quantizer's rounding error: it is finer than its codes, or nothing was rounded. */
  fine: boolean;
}
