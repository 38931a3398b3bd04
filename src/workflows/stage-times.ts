import type { Report } from "../report/report-data.ts";
import { currentHost } from "../runtime/isolation/isolate.ts";
import { peakMemory } from "../runtime/peak-memory.ts";

/** Seconds that the stages of a workflow took, and the memory up to their ends, for its report. */
export class StageTimes {
  readonly stages: NonNullable<Report["stages"]> = [];
  #since = performance.now();

  /** Notes that a stage is done which began where the one before ended. */
  done(stage: string): void {
    const now = performance.now();
    const runtimePeakBytes = currentHost()?.peakBytes;
    this.stages.push({
      stage,
      seconds: (now - this.#since) / 1000,
      peakBytes: peakMemory(),
      ...(runtimePeakBytes === undefined ? {} : { runtimePeakBytes }),
    });
    this.#since = now;
  }
}
