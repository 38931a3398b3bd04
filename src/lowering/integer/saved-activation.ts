/** What the backward reads instead of an activation that integer kernels compute as codes and never as floats. */
export interface SavedActivation {
  /** The dequantized value: rounded to the codes and clipped to their bounds. */
  value: string;
  /** The codes. Values whose codes lie strictly between `low` and `high` were not clipped by the quantizer. */
  codes: string;
  low: number;
  high: number;
  /**
   * Whether `value` still holds the rounding error of the quantizer: its codes are finer than the quantizer's, or there
   * was no rounding.
   */
  fine: boolean;
}
