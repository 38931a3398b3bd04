import type { Report } from "../report/report-data.ts";

/** Seconds that the stages of a workflow took, for its report. */
export class StageTimes {
  readonly stages: NonNullable<Report["stages"]> = [];
  #since = performance.now();

  /** Notes that a stage is done which began where the one before ended. */
  done(stage: string): void {
    const now = performance.now();
    this.stages.push({ stage, seconds: (now - this.#since) / 1000 });
    this.#since = now;
  }
}
