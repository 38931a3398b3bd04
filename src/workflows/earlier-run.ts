import { join } from "node:path";
import { existsSync } from "node:fs";
import { type UserError, usageError } from "../errors.ts";
import { artifactFiles } from "../training/artifact/manifest.ts";
import { hasRun, loadProgress } from "../training/trainer/run-checkpoint.ts";
import type { RunContext } from "./context.ts";
import { removeRun } from "./run-folder.ts";

/** What to do with a run that was begun before. */
export interface RunStart {
  /** Go on from its checkpoint. */
  resume: boolean;
  /** Throw it away. */
  restart?: boolean | undefined;
}

const runOf = (artifact: string): string => join(artifact, "run");

/** What of an earlier run there is in an artifact's folder. */
export interface EarlierRun {
  artifact: boolean;
  checkpoint: boolean;
}

/**
 * What an earlier run left in an artifact's folder. Throws where it trained already and neither going on nor starting
 * over is asked for, so that no training is lost by repeating a command; `resumable`: whether the command can go on.
 */
export async function findEarlierRun(
  artifact: string,
  { resume, restart = false }: RunStart,
  resumable = true,
): Promise<EarlierRun> {
  if (resume && restart) {
    throw usageError(
      "resume-or-restart",
      "--resume goes on from a run that --restart throws away",
      "--resume, --restart",
      "Leave one of them out.",
    );
  }
  const found = {
    artifact: existsSync(join(artifact, artifactFiles.manifest)),
    checkpoint: hasRun(runOf(artifact)),
  };
  if (found.checkpoint && !resume && !restart) throw await undecidedError(artifact, resumable);
  return found;
}

/** Whether training goes on from a checkpoint: it starts over where a run was killed before its first one. */
export function resumes({ checkpoint }: EarlierRun, { resume }: RunStart, { logger }: RunContext): boolean {
  if (resume && !checkpoint)
    logger.warn("The run has no checkpoint yet, so training starts from the beginning.");
  return resume && checkpoint;
}

/** Removes the checkpoints of a run that is to start over. */
export async function discardEarlierRun(artifact: string, { restart = false }: RunStart): Promise<void> {
  if (restart) await removeRun(artifact);
}

async function undecidedError(artifact: string, resumable: boolean): Promise<UserError> {
  const progress = await loadProgress(runOf(artifact)).catch(() => undefined);
  const ways = resumable
    ? "Add --resume to go on from it, or --restart to throw it away and start over."
    : `Add --restart to throw it away, or go on with efqat train ${artifact} --resume.`;
  if (progress === undefined)
    return usageError("resume-or-restart", "There is a checkpoint of an earlier run", artifact, ways);
  const { steps, totalSteps, divergedAt } = progress.history;
  const ended = steps >= totalSteps || divergedAt !== null;
  const what = ended
    ? `A run of ${steps} steps was made there already`
    : `A run was interrupted there after ${steps} of ${totalSteps} steps`;
  return usageError("resume-or-restart", what, artifact, ways);
}
