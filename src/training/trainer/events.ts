/** One look at the held-out samples. */
export interface Evaluation {
  /** Steps taken before it. */
  step: number;
  loss: number;
  /** The metric that states are kept by, where there is one. */
  metric?: number;
  /** Share of samples whose largest class score is at their label; null without labels or a classifier. */
  accuracy: number | null;
  /**
   * How much lower the samples' losses are than at the start, on average, or how much better the metric is, with the standard
   * error; null if unknown.
   */
  gain: { mean: number; error: number | null };
}

/** What happened during training. */
export interface History {
  steps: number;
  /** Steps the whole run has. */
  totalSteps: number;
  /** Training loss of each step. */
  loss: number[];
  evaluations: Evaluation[];
  /** Held-out samples that the evaluations are on. */
  heldOut: number;
  /**
   * Choices of trained rows: the step, how many train, how many of them did not before, the first weight that trains
   * where nothing before it does, whether gradients of all layers were looked at for it, and the rows of each weight that
   * train, in the manifest's order; none known of runs that older versions began.
   */
  refreshes: {
    step: number;
    trained: number;
    started: number;
    first: string | null;
    looked: boolean;
    rows: number[];
  }[];
  /**
   * Step of the state that the run returns: the best on the held-out samples, and 0, the start, where none was better than
   * that beyond chance; the last step without held-out samples.
   */
  bestStep: number;
  /** Set when training was stopped because loss or gradients were no longer finite. */
  divergedAt: number | null;
}

/** Progress of a run, for whoever shows it. */
export interface TrainProgress {
  step: number;
  totalSteps: number;
  loss: number;
  /** The latest look at the held-out samples. */
  evaluation: Evaluation | null;
}
