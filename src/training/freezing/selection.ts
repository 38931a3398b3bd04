/** A weight as row selection sees it. */
export interface Candidate {
  name: string;
  /** Score per row. */
  importance: Float64Array;
  /** Elements per row. */
  rowSize: number;
}

/** How much may train. */
export interface Allowance {
  /** Share of rows (CWPL, CWPN) or of weight elements (LWPN), 0 to 1. */
  ratio: number;
  /** Share of the time of a full backward, 0 to 1 (cost). */
  budget: number;
  /** What a backward's parts take on this machine, where that was measured. */
  costs?: StepCosts | undefined;
  /** Importance of scales, zero points and float parameters, by name, where the metric knows it. */
  standing?: ReadonlyMap<string, number> | undefined;
  /** The candidate at which the backward must keep ending because new sessions would not pay yet (cost). */
  end?: string | undefined;
}

/** Rows to train, per candidate, ascending. */
export interface Selection {
  rows: number[][];
  /**
   * The first candidate that trains, by the order of the forward: nothing before it does, scales and biases neither, and
   * the backward ends there. Undefined where scales and biases of all layers train.
   */
  first?: string;
}

/**
 * What the parts of a training step take, all in one unit: milliseconds where they were measured on this machine, operations
 * where they are estimated.
 */
export interface StepCosts {
  /** The forward, up to the loss. */
  forward: number;
  /** The whole backward with every row trained. */
  full: number;
  /** Place of every scale, zero point and float parameter in the order of the forward, by its name in the state. */
  positions: Readonly<Record<string, number>>;
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
