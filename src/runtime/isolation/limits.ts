import { freemem, totalmem } from "node:os";
import type { CallLimits } from "./messages.ts";

/** Seconds that a call may take where nobody says how long it should. */
const longest = 1800;

/** Limits of calls on a model for which no others were given: nearly all the memory that there is. */
export function defaultLimits(limits: Partial<CallLimits> = {}): CallLimits {
  return {
    seconds: limits.seconds ?? longest,
    memoryBytes: limits.memoryBytes ?? mostMemory(),
  };
}

/** Free memory does not count what the system would give back, so that half of all memory is the least. */
const mostMemory = (): number => Math.max(freemem() * 0.95, totalmem() * 0.5);
