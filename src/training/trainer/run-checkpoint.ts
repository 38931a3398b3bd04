import { createHash } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { modelError, usageError } from "../../errors.ts";
import { loadSafetensors, saveSafetensors } from "../checkpoint/files.ts";
import type { TrainingState } from "../state.ts";
import type { History } from "./events.ts";

/** Files of a run directory. */
const runFiles = { checkpoint: "checkpoint.safetensors", best: "best.safetensors" } as const;

const evaluation = z.object({ step: z.number(), loss: z.number(), accuracy: z.number().nullable() });
const progressSchema = z.object({
  digest: z.string(),
  history: z.object({
    steps: z.number().int(),
    totalSteps: z.number().int(),
    loss: z.array(z.number()),
    evaluations: z.array(evaluation),
    refreshes: z.array(
      z.object({ step: z.number(), trained: z.number(), started: z.number(), first: z.string().nullable() }),
    ),
    bestStep: z.number().int(),
    divergedAt: z.number().int().nullable(),
  }),
});

/** A run that can go on: the state after `history.steps` steps, and the best deployable state so far. */
export interface RunSnapshot {
  state: TrainingState;
  best: TrainingState;
  /** Weights turned for data gradients when the rows were last chosen; see FittedGraph. */
  turned: TrainingState;
  history: History;
}

/** Put before the names of turned weights in the file of the state. */
const turnedPrefix = "turned:";

/** Digest of what a run is made of; a checkpoint is only resumed into a run of the same digest. */
export function digestOf(parts: unknown): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex");
}

/** Stores a run's progress: the best state first, so that a checkpoint never names a best state that is not there. */
export async function saveRun(directory: string, digest: string, snapshot: RunSnapshot): Promise<void> {
  await mkdir(directory, { recursive: true });
  const { state, best, turned, history } = snapshot;
  const at = (name: string): string => join(directory, name);
  await saveSafetensors(at(runFiles.best), {
    tensors: best,
    metadata: { step: String(history.bestStep) },
  });
  await saveSafetensors(at(runFiles.checkpoint), {
    tensors: new Map([
      ...state,
      ...Array.from(turned, ([name, tensor]) => [turnedPrefix + name, tensor] as const),
    ]),
    metadata: { progress: JSON.stringify({ digest, history }) },
  });
}

/** Reads a run's progress back. Throws a UserError when it is missing, malformed or of other settings. */
export async function loadRun(directory: string, digest: string): Promise<RunSnapshot> {
  const path = join(directory, runFiles.checkpoint);
  const { tensors, metadata } = await loadSafetensors(path);
  const progress = parseProgress(metadata["progress"], path);
  if (progress.digest !== digest) {
    throw usageError(
      "resume",
      "The checkpoint was made with other options, data or another artifact, so training cannot go on from it",
      path,
      "Use the options of the interrupted run, or start afresh without --resume.",
    );
  }
  const state: TrainingState = new Map();
  const turned: TrainingState = new Map();
  for (const [name, tensor] of tensors) {
    if (name.startsWith(turnedPrefix)) turned.set(name.slice(turnedPrefix.length), tensor);
    else state.set(name, tensor);
  }
  return { state, best: await loadBest(directory), turned, history: progress.history };
}

/** The best deployable state of a run. */
export async function loadBest(directory: string): Promise<TrainingState> {
  return (await loadSafetensors(join(directory, runFiles.best))).tensors;
}

/** What happened in a run so far, from its checkpoint. */
export async function loadHistory(directory: string): Promise<History> {
  const path = join(directory, runFiles.checkpoint);
  const { metadata } = await loadSafetensors(path);
  return parseProgress(metadata["progress"], path).history;
}

function parseProgress(text: string | undefined, path: string): z.infer<typeof progressSchema> {
  try {
    return progressSchema.parse(JSON.parse(text ?? ""));
  } catch (error) {
    throw modelError(
      "checkpoint",
      "The file holds no training progress",
      path,
      "Start afresh without --resume.",
      error,
    );
  }
}
