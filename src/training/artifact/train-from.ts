import { indexGraph, reachableNodes, readNames } from "../../ir/graph.ts";
import type { Graph, Model, Node } from "../../ir/model.ts";
import { dropUnused, dropUnusedInputs } from "../../passes/remove-unused.ts";
import { viewAs } from "../../tensor/tensor.ts";
import { stateTensor, type TrainingState } from "../state.ts";
import { dataPorts, type Manifest } from "./manifest.ts";

/** A tensor of the state that training changes, and the output of the training graph that is its gradient. */
export interface TrainedInput {
  /** Its input of the training graph. */
  name: string;
  grad: string;
}

/** Scales, zero points and float parameters, which train whatever rows do. */
export function trainedInputs(manifest: Manifest): TrainedInput[] {
  const optional = (name: string, grad: string | null): TrainedInput[] =>
    grad === null ? [] : [{ name, grad }];
  return [
    ...manifest.weights.map(({ scale, scaleGrad }) => ({ name: scale, grad: scaleGrad })),
    ...manifest.activations.flatMap((each) => [
      ...optional(each.scale, each.scaleGrad),
      ...optional(each.zeroPoint, each.zeroPointGrad),
    ]),
    ...manifest.parameters.map(({ input, grad }) => ({ name: input, grad })),
  ];
}

/**
 * Where in the order of the forward each part of the state comes in: the index of the first node that puts it together
 * with the samples. What only prepares it (a cast, a reshape) does not count.
 */
export function forwardPositions(graph: Graph, manifest: Manifest): Map<string, number> {
  const index = indexGraph(graph);
  const forward = new Set(reachableNodes(graph, ["loss"]).nodes);
  const fromData = nodesBehind(
    graph,
    dataPorts(manifest).map(({ name }) => name),
  );
  const order = new Map(graph.nodes.map((node, position) => [node, position]));
  const known = new Map<string, number>();
  const positionOf = (name: string): number => {
    const before = known.get(name);
    if (before !== undefined) return before;
    const readers = (index.consumers.get(name) ?? []).filter((node) => forward.has(node));
    const places = readers.map((node) =>
      fromData.has(node) ? (order.get(node) as number) : Math.min(...node.outputs.map(positionOf)),
    );
    const position = Math.min(Infinity, ...places);
    known.set(name, position);
    return position;
  };
  const names = [
    ...manifest.weights.map(({ codes }) => codes),
    ...trainedInputs(manifest).map(({ name }) => name),
  ];
  return new Map(names.map((name) => [name, positionOf(name)]));
}

/** Nodes that depend on any of these values. */
function nodesBehind(graph: Graph, names: readonly string[]): Set<Node> {
  const values = new Set(names);
  const nodes = new Set<Node>();
  for (const node of graph.nodes) {
    if (!readNames(node).some((name) => values.has(name))) continue;
    nodes.add(node);
    for (const output of node.outputs) values.add(output);
  }
  return nodes;
}

/** What stays constant in a training graph until the trained rows are chosen again. */
export interface FrozenParts {
  /** Weights (by name) of which no row trains. */
  weights: ReadonlySet<string>;
  /** Those of `weights` whose layer comes before the first one that trains: the backward does not reach them. */
  before: ReadonlySet<string>;
  /**
   * Inputs that the backward does not reach either: scales, zero points and float parameters before the first layer that
   * trains.
   */
  inputs: ReadonlySet<string>;
}

/**
 * What is frozen when the backward ends at the weight `first` (null: it goes through all layers) and the rows listed in
 * the state train.
 */
export function frozenParts(
  graph: Graph,
  manifest: Manifest,
  state: TrainingState,
  first: string | null,
): FrozenParts {
  const idle = manifest.weights.filter(({ rows }) => viewAs(stateTensor(state, rows), "int64").length === 0);
  const weights = new Set(idle.map(({ name }) => name));
  const start = manifest.weights.find(({ name }) => name === first);
  if (start === undefined) return { weights, before: new Set(), inputs: new Set() };
  const positions = forwardPositions(graph, manifest);
  const from = positions.get(start.codes) ?? 0;
  const isBefore = (name: string): boolean => (positions.get(name) ?? Infinity) < from;
  const inputs = trainedInputs(manifest).filter(({ name }) => isBefore(name));
  return {
    weights,
    before: new Set(idle.filter(({ codes }) => isBefore(codes)).map(({ name }) => name)),
    inputs: new Set(inputs.map(({ name }) => name)),
  };
}

/** Places of what trains whatever rows do, by name, as `StepCosts.positions` has them, and a lookup for any part of the state. */
export function trainedPositions(
  graph: Graph,
  manifest: Manifest,
): { positions: Record<string, number>; placeOf: (name: string) => number } {
  const known = forwardPositions(graph, manifest);
  const placeOf = (name: string): number => known.get(name) ?? Infinity;
  return {
    positions: Object.fromEntries(trainedInputs(manifest).map(({ name }) => [name, placeOf(name)])),
    placeOf,
  };
}

/**
 * The training graph with frozen parts baked in as constants, which ONNX Runtime packs and folds once, and without the
 * nodes that only their gradients need.
 */
export function bakeFrozen(
  model: Model,
  manifest: Manifest,
  state: TrainingState,
  frozen: Pick<FrozenParts, "weights" | "inputs">,
): Model {
  const weights = manifest.weights.filter(({ name }) => frozen.weights.has(name));
  const still = trainedInputs(manifest).filter(({ name }) => frozen.inputs.has(name));
  const dropped = new Set([...weights.map(({ grad }) => grad), ...still.map(({ grad }) => grad)]);
  const constants = new Set([...weights.map(({ codes }) => codes), ...still.map(({ name }) => name)]);
  const { graph } = model;
  const initializers = new Map(graph.initializers);
  for (const name of constants) initializers.set(name, stateTensor(state, name));
  const cut = dropUnused({
    ...model,
    graph: {
      ...graph,
      initializers,
      inputs: graph.inputs.filter(({ name }) => !constants.has(name)),
      outputs: graph.outputs.filter(({ name }) => !dropped.has(name)),
    },
  });
  return dropUnusedInputs(cut);
}
