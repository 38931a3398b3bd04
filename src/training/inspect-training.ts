import { UserError } from "../errors.ts";
import { fixedBatch } from "../ir/value-types.ts";
import type { Graph, Model } from "../ir/model.ts";
import type { Sizes } from "../passes/bind-inputs.ts";
import {
  codeRange,
  type QuantizationPlan,
  type QuantizationState,
  type QuantizedActivation,
  type QuantizedWeight,
} from "../quantization/types.ts";
import { elementCount } from "../tensor/tensor.ts";
import { layOutTraining, type TrainingLayout, type Untrainable } from "./artifact/lay-out-training.ts";
import { type LossChoice, resolveLoss } from "./losses/resolve-loss.ts";

/** Training graphs of more nodes take ONNX Runtime many seconds to load; networks have a tenth. */
const mostNodes = 10_000;
/** Nodes of the loss on each output of the model. */
const nodesPerOutput = 5;

/**
 * What would not train of a model that is quantized by this plan, and why: what an artifact's manifest lists, found
 * without data. A model that cannot be trained at all has one entry that says so.
 */
export async function inspectTraining(
  model: Model,
  plan: QuantizationPlan,
  sizes?: Sizes,
): Promise<Untrainable[]> {
  const { nodes, outputs, name } = model.graph;
  const quantizers = plan.weights.length + 2 * plan.activations.length;
  const size = nodes.length + quantizers + nodesPerOutput * outputs.length;
  if (size > mostNodes) {
    const reason = `with its quantizers and its loss it has about ${size} nodes, more than the ${mostNodes} that are looked at`;
    return [{ node: name, op: "model", reason }];
  }
  try {
    return (await layOutPlan(model, plan, { kind: "auto", hasLabels: false, distill: 0 }, sizes)).untrainable;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return [{ node: error.where ?? model.graph.name, op: "model", reason: error.message }];
  }
}

/**
 * Traces the gradient of the loss that training would have, without data and without building its graph: the quantized
 * weights that no gradient reaches, the nodes at which it ends, and the targets of the loss. Throws the UserErrors of the loss, and
 * unsupported/gradient where it reaches nothing.
 */
export async function traceTraining(
  model: Model,
  plan: QuantizationPlan,
  choice: LossChoice,
  sizes?: Sizes,
): Promise<Pick<TrainingLayout, "frozen" | "stops" | "targets">> {
  const { frozen, stops, targets } = await layOutPlan(model, plan, choice, sizes);
  const fixed = new Set(frozen);
  return { frozen: plan.weights.map(({ name }) => name).filter((name) => fixed.has(name)), stops, targets };
}

/** What of a model trains when it is quantized by this plan, before anything is known of its values. */
function layOutPlan(
  model: Model,
  plan: QuantizationPlan,
  choice: LossChoice,
  sizes: Sizes | undefined,
): Promise<TrainingLayout> {
  const loss = resolveLoss(model.graph, choice);
  const state = placeholderState(model.graph, plan);
  return layOutTraining({ model, plan, state, sizes }, loss, fixedBatch(model.graph) ?? 1);
}

/** A state of the plan's shapes and types; nothing that trains depends on its values. */
function placeholderState(graph: Graph, plan: QuantizationPlan): QuantizationState {
  const weights = plan.weights.map((weight): [string, QuantizedWeight] => {
    const shape = [...(graph.initializers.get(weight.name)?.dims ?? [])];
    const scale = new Float32Array(shape[weight.axis] ?? 1).fill(1);
    const codes = new Int8Array(elementCount(shape));
    return [
      weight.name,
      { ...weight, shape, ...codeRange(weight.bits, true, true), codes, scale, enlargedRows: [] },
    ];
  });
  const activations = plan.activations.map((activation): [string, QuantizedActivation] => {
    const range = codeRange(activation.bits, activation.signed, activation.symmetric);
    return [activation.name, { ...activation, ...range, scale: 1, zeroPoint: range.qmin }];
  });
  return { weights: new Map(weights), activations: new Map(activations), biases: plan.biases };
}
