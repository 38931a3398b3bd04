import { createModel, createValue, readNames } from "../../ir/graph.ts";
import type { Graph, Model, Node } from "../../ir/model.ts";
import { steadyName } from "../../lowering/integer/coded-data-grad.ts";
import { dropUnused, dropUnusedInputs } from "../../passes/remove-unused.ts";
import { withSession } from "../../runtime/open-model.ts";
import type { Session, SessionOptions } from "../../runtime/session.ts";
import { feedsFor, type TrainingState } from "../state.ts";

/**
 * Data gradients on integer kernels want the weights turned: axes swapped, taps reversed, one scale per input channel. The
 * training graph turns those that it is fed. Between two choices of rows the trainer computes with the weights as they
 * were turned at the first of them, which spares every step the turning.
 */

/** The nodes of a training graph that do nothing but turn weights. */
function turningNodes(graph: Graph): Set<Node> {
  const turned = new Set<string>();
  const nodes = new Set<Node>();
  for (const node of graph.nodes) {
    const starts = node.opType === "Identity" && node.outputs[0] === steadyName(node.inputs[0] as string);
    const names = readNames(node);
    const goesOn =
      names.some((name) => turned.has(name)) &&
      names.every((name) => turned.has(name) || graph.initializers.has(name));
    if (!starts && !goesOn) continue;
    nodes.add(node);
    for (const output of node.outputs) turned.add(output);
  }
  return nodes;
}

/** The part of a training graph that turns weights, as a model of its own; undefined where there is none. */
export function turningModel(model: Model): Model | undefined {
  const nodes = turningNodes(model.graph);
  if (nodes.size === 0) return undefined;
  const made = new Set([...nodes].flatMap(({ outputs }) => outputs));
  const read = new Set(
    model.graph.nodes.filter((node) => !nodes.has(node)).flatMap((node) => readNames(node)),
  );
  const outputs = [...made].filter((name) => read.has(name));
  const graph = {
    ...model.graph,
    nodes: [...nodes],
    outputs: outputs.map((name) => ({ name, type: undefined })),
    valueInfo: new Map(),
  };
  return dropUnusedInputs(dropUnused({ ...createModel(graph, model.opsets.get("") ?? 13), graph }));
}

/** The weights of a state, turned, by a session on the `turningModel`. */
export async function turnWeights(session: Session, state: TrainingState): Promise<TrainingState> {
  return new Map(Object.entries(await session.run(feedsFor(session, state))));
}

/** A training graph that reads turned weights instead of turning them: as constants, which kernels pack once, or as inputs. */
export function withTurned(model: Model, turned: TrainingState, as: "constants" | "inputs"): Model {
  if (turned.size === 0) return model;
  const nodes = turningNodes(model.graph);
  const graph = { ...model.graph, nodes: model.graph.nodes.filter((node) => !nodes.has(node)) };
  if (as === "constants") graph.initializers = new Map([...graph.initializers, ...turned]);
  else {
    const inputs = Array.from(turned, ([name, { dtype, dims }]) => createValue(name, dtype, dims));
    graph.inputs = [...graph.inputs, ...inputs];
  }
  return dropUnusedInputs(dropUnused({ ...model, graph }));
}

/** A training graph with the weights of a state, turned, as constants. */
export async function holdTurned(
  model: Model,
  state: TrainingState,
  options: SessionOptions,
): Promise<Model> {
  const turning = turningModel(model);
  if (turning === undefined) return model;
  return withSession(turning, options, async (session) =>
    withTurned(model, await turnWeights(session, state), "constants"),
  );
}
