import type { Model } from "../../ir/model.ts";
import { weightBytes } from "../../runtime/open-model.ts";
import type { SessionOptions } from "../../runtime/session.ts";
import { Arena } from "./arena.ts";
import { executedGraph } from "./executed-graph.ts";
import { planBuffers } from "./plan-buffers.ts";
import { workspaceOf } from "./workspace.ts";

/** What kernels take for themselves and the simulated arena does not know, in units of the arena; measured. */
const arenaShare = 1.05;
/** Runs that are simulated: the second finds the arena as the first left it. */
const simulatedRuns = 2;
/** ONNX Runtime's own choice is the number of cores; two stand in for it, for what little depends on it. */
const usualThreads = 2;

/** What a session takes beside what every process has. */
export interface SessionMemory {
  nodes: number;
  weights: number;
  /** What of the session's arena is touched. */
  arena: number;
  outputs: number;
}

/** Simulates the buffers of a session's runs with inputs of these shapes. */
export async function sessionMemory(
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
    nodes: graph.nodes.length,
    weights: weightBytes(model),
    arena: arenaShare * arena.resident,
    outputs: graph.outputs.reduce((total, { name }) => total + (extents.get(name)?.bytes ?? 0), 0),
  };
}
