/** How learning rates change over a run. */
export type ScheduleKind = "constant" | "cosine" | "linear";

export interface Schedule {
  kind: ScheduleKind;
  /** Share of the run, 0 to 1, over which rates first rise linearly from near zero. */
  warmup: number;
  /** Factor that decaying schedules end at. */
  final: number;
}

/** After warm-up, progress p in [0, 1) gives the factor between 1 (p = 0) and `final` (p = 1). */
const decay: Record<ScheduleKind, (progress: number, final: number) => number> = {
  constant: () => 1,
  cosine: (p, final) => final + ((1 - final) * (1 + Math.cos(Math.PI * p))) / 2,
  linear: (p, final) => 1 - (1 - final) * p,
};

export const scheduleKinds = Object.keys(decay) as ScheduleKind[];

/** What all learning rates are multiplied with at `step` (from 0) of `steps`. */
export function scheduleFactor(schedule: Schedule, step: number, steps: number): number {
  const rise = Math.round(schedule.warmup * steps);
  if (step < rise) return (step + 1) / (rise + 1);
  return decay[schedule.kind]((step - rise) / Math.max(1, steps - rise), schedule.final);
}
