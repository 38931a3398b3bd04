import type { Model } from "../../ir/model.ts";
import { weightBytes } from "../../runtime/open-model.ts";
import type { SessionOptions } from "../../runtime/session.ts";
import type { Artifact } from "../artifact.ts";
import { bakeFrozen, frozenParts } from "../artifact/train-from.ts";
import { holdTurned, turningModel } from "../artifact/turned-weights.ts";
import { watchedModel } from "../artifact/eval-model.ts";
import { needsGradients } from "../freezing/importance.ts";
import { defaultFreezingOptions } from "../freezing/refresh.ts";
import type { TrainingState } from "../state.ts";
import { constantsPay } from "../trainer/fitted-graph.ts";
import { sessionOptions } from "../trainer/graphs.ts";
import { stepsOfFit } from "../trainer/plan-run.ts";
import { isTaught } from "../trainer/targets.ts";
import { Arena } from "./arena.ts";
import { expectedRows } from "./expected-rows.ts";
import { type ExecutedGraph, executedGraph } from "./executed-graph.ts";
import { planBuffers } from "./plan-buffers.ts";
import { workspaceOf } from "./workspace.ts";

/** Peak memory of the process that trains an artifact, and what it is made of. */
export interface MemoryEstimate {
  bytes: number;
  parts: { part: string; bytes: number }[];
}

/** Resident bytes of Node.js with this program and ONNX Runtime loaded. */
const processBytes = 95e6;
/** What the first session brings along: thread pool, registry of kernels, code. */
const runtimeBytes = 25e6;
/** A node of a graph that a session holds. */
const nodeBytes = 9e3;
/** The same in JavaScript, where the training graph is fitted to rows and encoded for a session. */
const fittedNodeBytes = 9e3;
/** A session's copies of a weight, in units of the weight: as read, and as its kernels want it. */
const weightCopies = 2.4;
/** The same of the float model that JavaScript keeps: its file, and a little for weights that lie askew in it. */
const floatModelCopies = 1.1;
/** What kernels take for themselves and the simulated arena does not know, in units of the arena; measured. */
const arenaShare = 1.05;
/** Runs that are simulated: the second finds the arena as the first left it. */
const simulatedRuns = 2;
/** ONNX Runtime's own choice is the number of cores; two stand in for it, for what little depends on it. */
const usualThreads = 2;

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
  const expected = expectedRows(artifact);
  const state = new Map(Array.from(expected.state, ([name, { dims }]) => [name, dims]));
  const batch = new Map(
    [...manifest.inputs, ...manifest.targets].map(({ name, shape }) => [
      name,
      atBatch(shape, manifest.batch),
    ]),
  );
  const shapes = new Map([...state, ...batch]);
  const turns = turningModel(trainingModel);
  const turning = turns === undefined ? undefined : await session(turns, shapes, options);
  const steps = stepsOfFit(refresh, manifest.batch * manifest.accumulate);
  const holds = turning !== undefined && constantsPay(trainingModel, turning.outputs, steps);
  const cut = cutModel(artifact, expected);
  const training = await session(
    holds ? await holdTurned(cut, expected.state, options) : cut,
    shapes,
    options,
  );
  // Rows are first chosen by gradients of the whole graph.
  const noRows = manifest.weights.map(({ rows }) => [rows, [0]] as const);
  const whole =
    cut !== trainingModel && needsGradients(manifest.freezing.importance)
      ? await session(trainingModel, new Map([...shapes, ...noRows]), options)
      : undefined;
  const choosing = Math.max(0, (whole?.arena ?? 0) - training.arena);
  const evaluation = await session(watchedModel(artifact.evalModel, manifest), shapes, options);
  const optimizerShapes = bindSymbols(manifest.optimizer.inputs, state);
  const optimizer = await session(artifact.optimizerModel, optimizerShapes, options);
  const teacher = isTaught(manifest) ? await session(artifact.floatModel, shapes, options) : undefined;
  const open = [training, evaluation, optimizer, teacher, turning].filter((each) => each !== undefined);
  const sum = (of: (each: SessionMemory) => number): number =>
    open.reduce((total, each) => total + of(each), 0);
  const parts = [
    { part: "process", bytes: processBytes },
    { part: "sessions", bytes: runtimeBytes + sum(({ nodes }) => nodes * nodeBytes) },
    { part: "weights in sessions", bytes: sum(({ weights }) => weights * weightCopies) },
    { part: "training graph", bytes: training.arena },
    { part: "evaluation graph", bytes: evaluation.arena },
    { part: "optimizer graph", bytes: optimizer.arena },
    { part: "float model's graph", bytes: teacher?.arena ?? 0 },
    { part: "turning of weights", bytes: Math.max(0, (turning?.arena ?? 0) - training.arena) },
    { part: "choice of rows", bytes: choosing },
    {
      part: "fitting of the training graph",
      bytes:
        turning !== undefined || manifest.freezing.mode === "cost" ? training.nodes * fittedNodeBytes : 0,
    },
    {
      part: "tensors in JavaScript",
      bytes: scriptBytes(artifact, expected.state, training, optimizer, batch),
    },
    { part: "data kept in memory", bytes: dataBytes },
  ];
  return { bytes: parts.reduce((total, { bytes }) => total + bytes, 0), parts };
}

/** The training graph as it is fitted to the rows that are expected to train. */
function cutModel(
  { trainingModel, manifest }: Artifact,
  { state, first }: ReturnType<typeof expectedRows>,
): Model {
  if (first === null) return trainingModel;
  const { before, inputs } = frozenParts(trainingModel.graph, manifest, state, first);
  return bakeFrozen(trainingModel, manifest, state, { weights: before, inputs });
}

interface SessionMemory {
  executed: ExecutedGraph;
  nodes: number;
  weights: number;
  /** What of the session's arena is touched. */
  arena: number;
  outputs: number;
}

async function session(
  model: Model,
  shapes: ReadonlyMap<string, readonly number[]>,
  options: SessionOptions,
): Promise<SessionMemory> {
  const executed = await executedGraph(model, shapes, options);
  const { graph, extents } = executed;
  const arena = new Arena();
  for (let run = 0; run < simulatedRuns; run++) {
    for (const { node, takes, returns } of planBuffers(executed)) {
      for (const { buffer, bytes } of takes) arena.take(buffer, bytes);
      const workspace = workspaceOf(node, extents, options.threads ?? usualThreads);
      if (workspace > 0) {
        arena.take("", workspace);
        arena.giveBack("");
      }
      for (const buffer of returns) arena.giveBack(buffer);
    }
    arena.giveBack();
  }
  return {
    executed,
    nodes: graph.nodes.length,
    weights: weightBytes(model),
    arena: arenaShare * arena.resident,
    outputs: graph.outputs.reduce((total, { name }) => total + (extents.get(name)?.bytes ?? 0), 0),
  };
}

/** State, the float model, the best state so far, held weights, gradients, updates, and two batches of data. */
function scriptBytes(
  { floatModel, manifest }: Artifact,
  tensors: TrainingState,
  training: SessionMemory,
  optimizer: SessionMemory,
  batch: ReadonlyMap<string, readonly number[]>,
): number {
  const state = [...tensors.values()].reduce((total, { bytes }) => total + bytes.byteLength, 0);
  const codes = manifest.weights.reduce(
    (total, { codes: name }) => total + (tensors.get(name)?.bytes.byteLength ?? 0),
    0,
  );
  const data = [...batch.values()].reduce((total, dims) => total + 4 * dims.reduce((a, b) => a * b, 1), 0);
  const steady = manifest.backward === "integer" ? codes : 0;
  const held = state + codes + steady + floatModelCopies * weightBytes(floatModel);
  return held + (state - codes) + training.outputs + optimizer.outputs + 2 * data;
}

const atBatch = (shape: readonly (number | string)[], batch: number): number[] =>
  shape.map((dim) => (typeof dim === "number" ? dim : batch));

/** Static shapes of all inputs: a symbol has the same size wherever it stands, and the state tells it. */
function bindSymbols(
  inputs: Artifact["manifest"]["optimizer"]["inputs"],
  state: ReadonlyMap<string, readonly number[]>,
): Map<string, number[]> {
  const sizes = new Map<string, number>();
  for (const { name, shape } of inputs)
    shape.forEach((dim, axis) => {
      const size = state.get(name)?.[axis];
      if (typeof dim === "string" && size !== undefined) sizes.set(dim, size);
    });
  const sizeOf = (dim: number | string): number => (typeof dim === "number" ? dim : (sizes.get(dim) ?? 1));
  return new Map(inputs.map(({ name, shape }) => [name, shape.map(sizeOf)]));
}
