import { join } from "node:path";
import { loadModel } from "../../onnx/index.ts";
import { openSession } from "../../runtime/open-model.ts";
import { Session, type SessionOptions } from "../../runtime/session.ts";
import { watchedModel } from "../artifact/eval-model.ts";
import { artifactFiles, type Manifest } from "../artifact/manifest.ts";
import { bakeBackwardWeights } from "../artifact/backward-weights.ts";
import type { TrainingState } from "../state.ts";
import type { TrainOptions } from "../train-options.ts";
import { isTaught } from "./targets.ts";

/** The sessions of a run beside the training graph's. Release them: they hold native memory. */
export interface SideGraphs {
  evaluation: Session;
  optimizer: Session;
  /** The float model, where a target comes from it. */
  teacher: Session | undefined;
}

export interface TrainingGraphs extends SideGraphs {
  training: Session;
}

type Runtime = Pick<TrainOptions, "provider" | "threads" | "arena">;

/** The settings that an artifact's graphs run under. */
export function sessionOptions(manifest: Manifest, options: Runtime): SessionOptions {
  return {
    arena: options.arena,
    memoryPattern: false,
    config: manifest.sessionConfig,
    ...(options.provider === null ? {} : { provider: options.provider }),
    ...(options.threads === null ? {} : { threads: options.threads }),
  };
}

/**
 * Opens the training graph of an artifact. With `baked`, a state, as a run has it between two choices of rows: data
 * gradients on integer kernels are computed with that state's weights as constants.
 */
export async function openTraining(
  directory: string,
  session: SessionOptions,
  baked?: TrainingState,
): Promise<Session> {
  const path = join(directory, artifactFiles.trainingModel);
  if (baked === undefined) return Session.create(path, session);
  const { profilePrefix: _profile, optimizedModelPath: _optimized, ...plain } = session;
  return openSession(await bakeBackwardWeights(await loadModel(path), baked, plain), session);
}

/**
 * Opens an artifact's graphs with the session settings that its manifest asks for. `baked`: see `openTraining`.
 */
export async function openGraphs(
  directory: string,
  manifest: Manifest,
  { baked, ...options }: Runtime & { baked?: TrainingState },
): Promise<TrainingGraphs> {
  const training = await openTraining(directory, sessionOptions(manifest, options), baked);
  try {
    return { training, ...(await openSideGraphs(directory, manifest, options)) };
  } catch (error) {
    await training.release();
    throw error;
  }
}

/** Settings of sessions that take turns with the training graph's on the same cores: threads that mostly idle must not spin. */
function quietOptions(manifest: Manifest, options: Runtime): SessionOptions {
  const config = { ...manifest.sessionConfig, "session.intra_op.allow_spinning": "0" };
  return { ...sessionOptions(manifest, options), config };
}

/** Opens the float model of an artifact where a target of its loss comes from it; with `taught` whatever the loss is. */
export async function openTeacher(
  directory: string,
  manifest: Manifest,
  { taught = false, ...options }: Runtime & { taught?: boolean },
): Promise<Session | undefined> {
  if (!taught && !isTaught(manifest)) return undefined;
  return Session.create(join(directory, artifactFiles.floatModel), quietOptions(manifest, options));
}

/**
 * Opens the graphs of an artifact that a run has open all the time; with `taught` the float model whatever the loss is.
 * `teacherThreads`: threads of the float model, where they are not the others'.
 */
export async function openSideGraphs(
  directory: string,
  manifest: Manifest,
  {
    taught = false,
    teacherThreads,
    ...options
  }: Runtime & { taught?: boolean; teacherThreads?: number | null },
): Promise<SideGraphs> {
  const quiet = quietOptions(manifest, options);
  const opened: Session[] = [];
  try {
    const evaluation = await loadModel(join(directory, artifactFiles.evalModel));
    opened.push(await openSession(watchedModel(evaluation, manifest), quiet));
    opened.push(await Session.create(join(directory, artifactFiles.optimizerModel), quiet));
    const teacher = await openTeacher(directory, manifest, {
      ...options,
      taught,
      threads: teacherThreads === undefined ? options.threads : teacherThreads,
    });
    if (teacher !== undefined) opened.push(teacher);
  } catch (error) {
    for (const each of opened) await each.release();
    throw error;
  }
  const [judge, optimizer, teacher] = opened as [Session, Session, Session?];
  return { evaluation: judge, optimizer, teacher };
}

export async function closeGraphs(graphs: SideGraphs & Partial<TrainingGraphs>): Promise<void> {
  for (const session of [graphs.training, graphs.evaluation, graphs.optimizer, graphs.teacher])
    await session?.release();
}
