import { createModel, createValue, readNames } from "../../ir/graph.ts";
import type { Graph, Model, Node } from "../../ir/model.ts";
import { steadyName } from "../../lowering/integer/coded-data-grad.ts";
import { dropUnused, dropUnusedInputs } from "../../passes/remove-unused.ts";
import { withSession } from "../../runtime/open-model.ts";
import type { Session, SessionOptions } from "../../runtime/session.ts";
import { feedsFor, type TrainingState } from "../state.ts";

/**
 * Data gradients on integer kernels read backward weights: the weights re-quantized with input and output channels
 * swapped, taps reversed and one scale per input channel. The training graph computes them from the codes and scales that
 * are its inputs. As that is too slow for every step, the trainer computes them when it chooses rows, and uses them until
 * it chooses again.
 */

/** The nodes of a training graph that do nothing but re-quantize weights. */
function requantizingNodes(graph: Graph): Set<Node> {
  const backwardWeights = new Set<string>();
  const nodes = new Set<Node>();
  for (const node of graph.nodes) {
    const starts = node.opType === "Identity" && node.outputs[0] === steadyName(node.inputs[0] as string);
    const names = readNames(node);
    const goesOn =
      names.some((name) => backwardWeights.has(name)) &&
      names.every((name) => backwardWeights.has(name) || graph.initializers.has(name));
    if (!starts && !goesOn) continue;
    nodes.add(node);
    for (const output of node.outputs) backwardWeights.add(output);
  }
  return nodes;
}

/** The part of a training graph that re-quantizes weights, as a model of its own; undefined where there is none. */
export function requantizingModel(model: Model): Model | undefined {
  const nodes = requantizingNodes(model.graph);
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

/** The backward weights of a state, by a session on the `requantizingModel`. */
export async function requantizeWeights(session: Session, state: TrainingState): Promise<TrainingState> {
  return new Map(Object.entries(await session.run(feedsFor(session, state))));
}

/** A training graph that reads backward weights instead of making them: as constants, which kernels pack once, or as inputs. */
export function withBackwardWeights(
  model: Model,
  backwardWeights: TrainingState,
  as: "constants" | "inputs",
): Model {
  if (backwardWeights.size === 0) return model;
  const nodes = requantizingNodes(model.graph);
  const graph = { ...model.graph, nodes: model.graph.nodes.filter((node) => !nodes.has(node)) };
  if (as === "constants") graph.initializers = new Map([...graph.initializers, ...backwardWeights]);
  else {
    const inputs = Array.from(backwardWeights, ([name, { dtype, dims }]) => createValue(name, dtype, dims));
    graph.inputs = [...graph.inputs, ...inputs];
  }
  return dropUnusedInputs(dropUnused({ ...model, graph }));
}

/** A training graph with the backward weights of a state as constants. */
export async function bakeBackwardWeights(
  model: Model,
  state: TrainingState,
  options: SessionOptions,
): Promise<Model> {
  const requantizing = requantizingModel(model);
  if (requantizing === undefined) return model;
  return withSession(requantizing, options, async (session) =>
    withBackwardWeights(model, await requantizeWeights(session, state), "constants"),
  );
}
