/** What the quantizers of a file are, in terms of the float model that its codes stand for. */

/** Codes of an activation: scale, zero point, and the least and largest code that the file makes. */
export interface FileActivation {
  scale: number;
  zeroPoint: number;
  qmin: number;
  qmax: number;
  signed: boolean;
}

/** Scales of a weight: one for all of it, or one per index of its axis of rows. */
export interface FileWeight {
  scale: Float32Array;
  /** The fewest bits, of 4 and 8, that hold all its codes. */
  bits: 8 | 4;
}

export interface FileQuantizers {
  /** Operators on codes that the file held, and how many of each. */
  operators: Map<string, number>;
  /** By names of values of the float model. */
  activations: Map<string, FileActivation>;
  /** By names of initializers of the float model. */
  weights: Map<string, FileWeight>;
}

export const noQuantizers = (): FileQuantizers => ({
  operators: new Map(),
  activations: new Map(),
  weights: new Map(),
});
