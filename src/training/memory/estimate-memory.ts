import type { Model } from "../../ir/model.ts";
import type { SessionOptions } from "../../runtime/session.ts";
import type { Artifact } from "../artifact/files.ts";
import { dataPorts } from "../artifact/manifest.ts";
import { bakeFrozen, frozenParts } from "../artifact/train-from.ts";
import { bakeBackwardWeights, requantizingModel } from "../artifact/backward-weights.ts";
import { watchedModel } from "../artifact/eval-model.ts";
import { importanceMetrics } from "../freezing/importance.ts";
import { defaultFreezingOptions } from "../freezing/refresh.ts";
import { constantsPay } from "../sessions/fitted-graph.ts";
import { sessionOptions } from "../sessions/graphs.ts";
import { stepsOfFit } from "../trainer/plan-run.ts";
import { energyModel } from "../trainer/statistics.ts";
import { isTaught } from "../sessions/targets.ts";
import { chooseExpectedRows } from "./choose-expected-rows.ts";
import { atBatch, bindSymbols } from "./graph-shapes.ts";
import { scriptBytes } from "./script-memory.ts";
import { type SessionMemory, sessionMemory } from "./session-memory.ts";

/** Peak memory of the process that trains an artifact, and what it is made of. */
export interface MemoryEstimate {
  bytes: number;
  parts: { part: string; bytes: number }[];
}

/** Resident bytes of Node.js with this program and ONNX Runtime loaded, after some tens of steps. */
const processBytes = 114e6;
/** What the first session brings along: thread pool, registry of kernels, code. */
const runtimeBytes = 25e6;
/** A node of a graph that a session holds. */
const nodeBytes = 9e3;
/** The same in JavaScript, where the training graph is fitted to rows and encoded for a session. */
const fittedNodeBytes = 9e3;
/** A session's copies of a weight, in units of the weight: as read, and as its kernels want it. */
const weightCopies = 2.4;

/**
 * Estimates the peak of the resident memory of a training run: every graph's buffers as ONNX Runtime's planner and arena
 * lay them out, which stay resident from the first run on, its weights, and the tensors that JavaScript holds.
 * `dataBytes`: what the data set keeps in memory; `refresh`: samples between two choices of rows.
 */
export async function estimateMemory(
  artifact: Artifact,
  {
    threads = null,
    dataBytes = 0,
    refresh = defaultFreezingOptions.refresh,
  }: { threads?: number | null; dataBytes?: number; refresh?: number | undefined } = {},
): Promise<MemoryEstimate> {
  const { manifest, trainingModel } = artifact;
  const options = sessionOptions(manifest, { provider: null, threads, arena: true });
  const expected = chooseExpectedRows(artifact);
  const state = new Map(Array.from(expected.state, ([name, { dims }]) => [name, dims]));
  const batch = new Map(dataPorts(manifest).map(({ name, shape }) => [name, atBatch(shape, manifest.batch)]));
  const shapes = new Map([...state, ...batch]);
  const turns = requantizingModel(trainingModel);
  const requantizing = turns === undefined ? undefined : await sessionMemory(turns, shapes, options);
  const steps = stepsOfFit(refresh, manifest.batch * manifest.accumulate);
  const holds = requantizing !== undefined && constantsPay(trainingModel, requantizing.outputs, steps);
  const cut = cutModel(artifact, expected);
  const training = await sessionMemory(
    holds ? await bakeBackwardWeights(cut, expected.state, options) : cut,
    shapes,
    options,
  );
  const choosing = await choiceBytes(artifact, { cut, training, shapes, options });
  const evaluation = await sessionMemory(watchedModel(artifact.evalModel, manifest), shapes, options);
  const optimizerShapes = bindSymbols(manifest.optimizer.inputs, state);
  const optimizer = await sessionMemory(artifact.optimizerModel, optimizerShapes, options);
  const teacher = isTaught(manifest) ? await sessionMemory(artifact.floatModel, shapes, options) : undefined;
  const open = [training, evaluation, optimizer, teacher, requantizing].filter((each) => each !== undefined);
  const sum = (of: (each: SessionMemory) => number): number =>
    open.reduce((total, each) => total + of(each), 0);
  const parts = [
    { part: "process", bytes: processBytes },
    { part: "sessions", bytes: runtimeBytes + sum(nodesBytes) },
    { part: "weights in sessions", bytes: sum(weightsBytes) },
    { part: "training graph", bytes: training.arena },
    { part: "evaluation graph", bytes: evaluation.arena },
    { part: "optimizer graph", bytes: optimizer.arena },
    { part: "float model's graph", bytes: teacher?.arena ?? 0 },
    { part: "backward weights", bytes: Math.max(0, (requantizing?.arena ?? 0) - training.arena) },
    { part: "choice of rows", bytes: choosing },
    {
      part: "fitting of the training graph",
      bytes:
        requantizing !== undefined || manifest.freezing.mode === "cost"
          ? training.nodes * fittedNodeBytes
          : 0,
    },
    {
      part: "tensors in JavaScript",
      bytes: scriptBytes(artifact, expected.state, training, optimizer, batch),
    },
    { part: "data kept in memory", bytes: dataBytes },
  ];
  return { bytes: parts.reduce((total, { bytes }) => total + bytes, 0), parts };
}

const nodesBytes = ({ nodes }: SessionMemory): number => nodes * nodeBytes;
const weightsBytes = ({ weights }: SessionMemory): number => weights * weightCopies;
const sessionBytes = (each: SessionMemory): number => each.arena + nodesBytes(each) + weightsBytes(each);

/** What a choice of rows takes beyond the training session, where its metric wants to look at something first. */
async function choiceBytes(
  { trainingModel, floatModel, manifest }: Artifact,
  run: {
    cut: Model;
    training: SessionMemory;
    shapes: ReadonlyMap<string, readonly number[]>;
    options: SessionOptions;
  },
): Promise<number> {
  const { cut, training, shapes, options } = run;
  const { needs } = importanceMetrics[manifest.freezing.importance];
  // Beside the training session.
  if (needs === "inputs")
    return sessionBytes(await sessionMemory(energyModel(floatModel, manifest).model, shapes, options));
  // In the place of the cut one.
  if (needs !== "gradients" || cut === trainingModel) return 0;
  const noRows = manifest.weights.map(({ rows }) => [rows, [0]] as const);
  const whole = await sessionMemory(trainingModel, new Map([...shapes, ...noRows]), options);
  return Math.max(0, sessionBytes(whole) - sessionBytes(training));
}

/** The training graph as it is fitted to the rows that are expected to train. */
function cutModel(
  { trainingModel, manifest }: Artifact,
  { state, first }: ReturnType<typeof chooseExpectedRows>,
): Model {
  if (first === null) return trainingModel;
  const { before, inputs } = frozenParts(trainingModel.graph, manifest, state, first);
  return bakeFrozen(trainingModel, manifest, state, { weights: before, inputs });
}
