/** How a stage reports what it does. Silent by default; only the command line prints. */
export interface Logger {
  /** What only those want to know who look for a fault. */
  debug(message: string): void;
  /** What was chosen, written or skipped. */
  info(message: string): void;
  /** What makes a result worth less than it seems; reports hold it, too. */
  warn(message: string): void;
  /** Progress of a named stage: `done` of `total` (0 when unknown), with an optional short note. */
  progress(stage: string, done: number, total: number, note?: string): void;
}

const ignore = (): void => undefined;

/** A logger that swallows everything. */
export const silentLogger: Logger = { debug: ignore, info: ignore, warn: ignore, progress: ignore };
