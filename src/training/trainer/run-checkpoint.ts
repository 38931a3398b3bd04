import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { modelError, usageError } from "../../errors.ts";
import { loadSafetensors, saveSafetensors } from "../checkpoint/files.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { stepCostsSchema } from "../costs/cache.ts";
import type { StepCosts } from "../freezing/selection.ts";
import type { TrainingState } from "../state.ts";
import type { History } from "./events.ts";

/** Files of a run directory; `metrics`: what the run is judged by, for those who judge its result later. */
export const runFiles = {
  checkpoint: "checkpoint.safetensors",
  best: "best.safetensors",
  metrics: "metrics.json",
} as const;

/** A measured number; JSON has null where it is not finite. */
const measured = z
  .number()
  .nullable()
  .transform((value) => value ?? NaN);
// Fields are in the order in which a run writes them: what a resumed run writes has the same bytes.
const evaluation = z.object({
  step: z.number(),
  loss: measured,
  accuracy: z.number().nullable(),
  metric: measured.exactOptional(),
  gain: z.object({ mean: measured, error: z.number().nullable() }),
});
const progressSchema = z.object({
  digest: z.string(),
  artifact: z.string(),
  costs: stepCostsSchema.nullable(),
  fisherBatches: z.number().int(),
  startLosses: z.array(measured),
  history: z.object({
    steps: z.number().int(),
    totalSteps: z.number().int(),
    loss: z.array(z.number()),
    evaluations: z.array(evaluation),
    refreshes: z.array(
      z.object({
        step: z.number(),
        trained: z.number(),
        started: z.number(),
        first: z.string().nullable(),
        rows: z.array(z.number()).default([]),
        looked: z.boolean(),
      }),
    ),
    heldOut: z.number().int(),
    bestStep: z.number().int(),
    divergedAt: z.number().int().nullable(),
  }),
});

/** A run that can go on: the state after `history.steps` steps, and the best deployable state so far. */
export interface RunSnapshot {
  state: TrainingState;
  best: TrainingState;
  /** Re-quantized backward weights of when the rows were last chosen; see FittedGraph. */
  backwardWeights: TrainingState;
  /** What gradients told since the rows were last chosen; see GainFisher. */
  fisher: { tensors: TrainingState; batches: number };
  /** What a step takes, where rows are chosen by that: measured once in a run. */
  costs: StepCosts | undefined;
  /** Loss of each held-out sample at the start, which later states must beat. */
  startLosses: readonly number[];
  history: History;
}

/** Put before the names of tensors beside the state in its file; a word of the file format, so that older runs go on. */
const prefixes = { backwardWeights: "turned:", fisher: "fisher:" } as const;

const partsBeside = ["backwardWeights", "fisher"] as const;
type BesideState = (typeof partsBeside)[number];

const prefixed = (prefix: string, tensors: TrainingState): [string, Tensor][] =>
  Array.from(tensors, ([name, tensor]) => [prefix + name, tensor]);

/** Digest of what a run is made of; a checkpoint is only resumed into a run of the same digest. */
export function digestOf(parts: unknown): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex");
}

/** What a run goes by: its settings and data with the artifact, and the artifact alone. */
export interface RunDigests {
  run: string;
  artifact: string;
}

/** Stores a run's progress: the best state first, so that a checkpoint never names a best state that is not there. */
export async function saveRun(
  directory: string,
  { run: digest, artifact }: RunDigests,
  snapshot: RunSnapshot,
): Promise<void> {
  await mkdir(directory, { recursive: true });
  const { state, best, backwardWeights, fisher, costs = null, startLosses, history } = snapshot;
  const at = (name: string): string => join(directory, name);
  await saveSafetensors(at(runFiles.best), {
    tensors: best,
    metadata: { step: String(history.bestStep) },
  });
  await saveSafetensors(at(runFiles.checkpoint), {
    tensors: new Map([
      ...state,
      ...prefixed(prefixes.backwardWeights, backwardWeights),
      ...prefixed(prefixes.fisher, fisher.tensors),
    ]),
    metadata: {
      progress: JSON.stringify({
        digest,
        artifact,
        costs,
        fisherBatches: fisher.batches,
        startLosses,
        history,
      }),
    },
  });
}

/** Reads a run's progress back. Throws a UserError when it is missing, malformed or of other settings. */
export async function loadRun(
  directory: string,
  { run: digest }: Pick<RunDigests, "run">,
): Promise<RunSnapshot> {
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
  const parts: Record<"state" | BesideState, TrainingState> = {
    state: new Map(),
    backwardWeights: new Map(),
    fisher: new Map(),
  };
  for (const [name, tensor] of tensors) {
    const part = partsBeside.find((each) => name.startsWith(prefixes[each]));
    if (part === undefined) parts.state.set(name, tensor);
    else parts[part].set(name.slice(prefixes[part].length), tensor);
  }
  return {
    state: parts.state,
    backwardWeights: parts.backwardWeights,
    history: progress.history,
    best: await loadBest(directory),
    fisher: { tensors: parts.fisher, batches: progress.fisherBatches },
    costs: progress.costs ?? undefined,
    startLosses: progress.startLosses,
  };
}

/** The best deployable state of a run. */
export async function loadBest(directory: string): Promise<TrainingState> {
  return (await loadSafetensors(join(directory, runFiles.best))).tensors;
}

/** What happened in a run so far, from its checkpoint, and the digest of the artifact that it trains. */
export async function loadProgress(directory: string): Promise<{ history: History; artifact: string }> {
  const path = join(directory, runFiles.checkpoint);
  const { metadata } = await loadSafetensors(path);
  return parseProgress(metadata["progress"], path);
}

/** Whether there is a run in the directory at all. */
export const hasRun = (directory: string): boolean => existsSync(join(directory, runFiles.checkpoint));

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
