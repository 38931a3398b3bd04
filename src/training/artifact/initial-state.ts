import type { Graph } from "../../ir/model.ts";
import type { QuantizationState } from "../../quantization/types.ts";
import { ints, scalar, tensorOf, viewAs } from "../../tensor/tensor.ts";
import { type FreezingOptions, refreshRows } from "../freezing/refresh.ts";
import { activationNames, weightNames } from "../../ir/derived-names.ts";
import { type TrainingState, zeros } from "../state.ts";
import type { Manifest } from "./manifest.ts";

/** The state before the first step: quantized as given, rows chosen, optimizer state zero. Shares no memory with its sources. */
export function initialState(
  graph: Graph,
  quantization: QuantizationState,
  manifest: Manifest,
  freezing: Omit<FreezingOptions, "refresh">,
): TrainingState {
  const state = quantizedState(graph, quantization, manifest.parameters);
  refreshRows(state, manifest.weights, freezing, { floatWeights: floatWeights(graph, manifest) });
  for (const { name, role, shape } of manifest.optimizer.inputs) {
    if (role === "state" && !state.has(name)) state.set(name, zeros(shape as number[]));
  }
  return state;
}

/** What a training graph reads of the state, the first rows of each weight trained. */
export function startState(
  graph: Graph,
  quantization: QuantizationState,
  parameters: readonly { name: string; shape: readonly number[] }[],
  ratio: number,
): TrainingState {
  const state = quantizedState(graph, quantization, parameters);
  for (const { name, shape, axis } of quantization.weights.values()) {
    const count = Math.round(ratio * (shape[axis] as number));
    state.set(weightNames(name).rows, ints(Array.from({ length: count }, (_, row) => row)));
  }
  return state;
}

/** What the forward reads of the state: codes, scales, zero points and float parameters, copied. */
function quantizedState(
  graph: Graph,
  quantization: QuantizationState,
  parameters: readonly { name: string; shape: readonly number[] }[],
): TrainingState {
  const state: TrainingState = new Map();
  for (const { name, shape, axis, codes, scale } of quantization.weights.values()) {
    const names = weightNames(name);
    state.set(names.codes, tensorOf("int8", shape, codes.slice()));
    state.set(names.scale, tensorOf("float32", [shape[axis] as number], scale.slice()));
  }
  for (const { name, scale, zeroPoint } of quantization.activations.values()) {
    const names = activationNames(name);
    state.set(names.scale, scalar(scale));
    state.set(names.zeroPoint, scalar(zeroPoint));
  }
  for (const { name, shape } of parameters) {
    const values = viewAs(graph.initializers.get(name) as never, "float32");
    state.set(name, tensorOf("float32", shape, Float32Array.from(values)));
  }
  return state;
}

/** The float weights that quantized ones were made from, by name. */
export function floatWeights(graph: Graph, manifest: Pick<Manifest, "weights">): Map<string, Float32Array> {
  const weights = new Map<string, Float32Array>();
  for (const { name } of manifest.weights) {
    const tensor = graph.initializers.get(name);
    if (tensor?.dtype === "float32") weights.set(name, viewAs(tensor, "float32"));
  }
  return weights;
}
