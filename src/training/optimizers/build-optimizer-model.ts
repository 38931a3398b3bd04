import { createModel } from "../../ir/graph.ts";
import type { Model } from "../../ir/model.ts";
import { gradientName, trainedCount, trainedShape, weightNames } from "../../ir/derived-names.ts";
import type { OptimizerOptions } from "./options.ts";
import {
  stepCounter,
  type TrainedActivation,
  updateActivations,
  updateWeightScales,
  weightScale,
} from "./quantization-parameters.ts";
import { OptimizerBuilder, type OptimizerInput, type OptimizerOutput } from "./ports.ts";
import { passThrough, perRow, requantize, type TrainedWeight } from "./straight-through.ts";
import { updateRules } from "./update-rules.ts";
import {
  joinVector,
  layoutOf,
  type Member,
  splitVector,
  vectorLength,
  type VectorLayout,
} from "./vectors.ts";

/** Optimizer state of trained rows: of shape [R, ...rest] where `perElement`, else [R]. */
export interface RowSlot {
  name: string;
  perElement: boolean;
}

/** What trains, by the names of the graphs' inputs. */
export interface OptimizerTargets {
  weights: readonly TrainedWeight[];
  /** Float parameters (biases and the like) with their shapes. */
  parameters: readonly Member[];
  activations: readonly TrainedActivation[];
}

export interface OptimizerModel {
  model: Model;
  inputs: OptimizerInput[];
  outputs: OptimizerOutput[];
  /** State tensors that hold several small parameters one after the other. */
  vectors: VectorLayout[];
  /** State tensors of each weight that go with its trained rows, latents aside. */
  rowSlots: Map<string, RowSlot[]>;
}

/**
 * One graph that takes state, gradients and rates, and gives the new state: straight-through masks, global
 * norm clipping over trained rows and float parameters, SGD or AdamW for these, Adam for scales (in
 * log-space) and zero points (clamped to the codes' range), and the new codes of the trained rows.
 */
export function buildOptimizerModel(
  targets: OptimizerTargets,
  options: OptimizerOptions,
  opset: number,
): OptimizerModel {
  const builder = new OptimizerBuilder();
  const steps = builder.state(stepCounter, []);
  builder.update(builder.emit.op("Add", [steps, builder.number(1)]), stepCounter, []);
  const parts = targets.weights.map((weight) => ({ weight, ...passThrough(builder, weight) }));
  const parameterGradients = targets.parameters.map(({ name, shape }) =>
    builder.gradient(gradientName(name), shape),
  );
  const clip = clipFactor(
    builder,
    [...parts.map(({ gradient }) => gradient), ...parameterGradients],
    options,
  );
  const scales = updateWeightScales(builder, parts, options);
  const rowSlots = new Map<string, RowSlot[]>();
  parts.forEach(({ weight, latent, gradient }, index) => {
    const clipped = builder.emit.op("Mul", [gradient, builder.spread(clip, weight.shape.length)]);
    rowSlots.set(
      weight.name,
      updateLatent(builder, weight, latent, clipped, scales[index] as string, options),
    );
  });
  updateParameters(builder, targets.parameters, parameterGradients, clip, options);
  updateActivations(builder, targets.activations, options);
  return {
    model: createModel(builder.graph, opset),
    inputs: builder.inputs,
    outputs: builder.outputs,
    vectors: vectorsOf(targets),
    rowSlots,
  };
}

/** min(1, clip_norm / (norm + 1e-6)) with the norm over all gradients together, as torch's clip_grad_norm_. */
function clipFactor(
  builder: OptimizerBuilder,
  gradients: readonly string[],
  options: OptimizerOptions,
): string {
  const { emit } = builder;
  const limit = builder.hyper("clip_norm", options.clipNorm);
  const squares = gradients.map((gradient) => emit.op("ReduceSumSquare", [gradient], { keepdims: 0 }));
  const total = squares.length === 0 ? builder.number(0) : emit.op("Sum", squares);
  const norm = emit.op("Sqrt", [total]);
  builder.figure(norm, "gradient_norm");
  const ratio = emit.op("Div", [limit, emit.op("Add", [norm, builder.number(1e-6)])]);
  return emit.op("Min", [ratio, builder.number(1)]);
}

function updateLatent(
  builder: OptimizerBuilder,
  weight: TrainedWeight,
  latent: string,
  gradient: string,
  scale: string,
  options: OptimizerOptions,
): RowSlot[] {
  const names = weightNames(weight.name);
  const counters: RowSlot[] = [];
  let steps = stepCounter;
  if (options.kind === "adamw") {
    const counter = builder.state(names.steps, [trainedCount(weight)]);
    builder.update(builder.emit.op("Add", [counter, builder.number(1)]), counter, [trainedCount(weight)]);
    steps = builder.emit.op("Reshape", [counter, builder.integers(perRow(weight))]);
    counters.push({ name: counter, perElement: false });
  }
  const updated = updateRules[options.kind](
    builder,
    {
      name: weight.name,
      shape: trainedShape(weight),
      value: latent,
      gradient,
      rate: builder.hyper("lr.weights", options.weightRate),
      decay: builder.hyper("weight_decay", options.weightDecay),
      steps,
    },
    options,
  );
  builder.update(updated.value, names.latent, trainedShape(weight));
  requantize(builder, weight, updated.value, scale);
  return [...updated.slots.map((name) => ({ name, perElement: true })), ...counters];
}

function updateParameters(
  builder: OptimizerBuilder,
  members: readonly Member[],
  gradients: readonly string[],
  clip: string,
  options: OptimizerOptions,
): void {
  if (members.length === 0) return;
  const values = members.map(({ name, shape }) => builder.state(name, shape));
  const { value } = updateRules[options.kind](
    builder,
    {
      name: "parameters",
      shape: [vectorLength(members)],
      value: joinVector(builder, values),
      gradient: builder.emit.op("Mul", [joinVector(builder, gradients), clip]),
      rate: builder.hyper("lr.parameters", options.parameterRate),
      decay: undefined,
      steps: stepCounter,
    },
    options,
  );
  splitVector(builder, value, members).forEach((part, index) => {
    const member = members[index] as Member;
    builder.update(part, member.name, member.shape);
  });
}

function vectorsOf(targets: OptimizerTargets): VectorLayout[] {
  const zeroPoints = targets.activations.flatMap(({ zeroPoint }) =>
    zeroPoint === undefined ? [] : [{ name: zeroPoint, shape: [] }],
  );
  return [
    layoutOf("parameters", targets.parameters),
    layoutOf("weight_scales", targets.weights.map(weightScale)),
    layoutOf(
      "activation_scales",
      targets.activations.map(({ scale }) => ({ name: scale, shape: [] })),
    ),
    layoutOf("zero_points", zeroPoints),
  ].filter(({ members }) => members.length > 0);
}
