/** How a stage reports what it does. Silent by default; only the command line prints. */
export interface Logger {
  debug(message: string): void;
  info(message: string): void;
  warn(message: string): void;
  /** Progress of a named stage: `done` of `total` (0 when unknown), with an optional short note. */
  progress(stage: string, done: number, total: number, note?: string): void;
}

const ignore = (): void => undefined;

/** A logger that swallows everything. */
export const silentLogger: Logger = { debug: ignore, info: ignore, warn: ignore, progress: ignore };
