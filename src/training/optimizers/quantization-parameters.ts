import type { OptimizerOptions } from "./options.ts";
import type { OptimizerBuilder } from "./ports.ts";
import { gradientName, weightNames } from "../../ir/derived-names.ts";
import type { TrainedWeight } from "./straight-through.ts";
import { adamDirection } from "./update-rules.ts";
import { joinVector, type Member, splitVector, vectorLength } from "./vectors.ts";

/** Name of the state tensor that counts the steps taken. */
export const stepCounter = "step";
/** Smallest scale that training may reach. */
const smallestScale = 1e-10;

/** An activation quantizer whose scale trains, by the names of the graphs' inputs. */
export interface TrainedActivation {
  scale: string;
  /** undefined where the zero point is fixed. */
  zeroPoint: string | undefined;
  qmin: number;
  qmax: number;
}

export function updateWeightScales(
  builder: OptimizerBuilder,
  parts: readonly { weight: TrainedWeight; scaleGradient: string }[],
  options: OptimizerOptions,
): string[] {
  const members = parts.map(({ weight }) => weightScale(weight));
  const next = updateLogScales(builder, "weight_scales", options.weightScaleRate, options, {
    members,
    gradients: parts.map(({ scaleGradient }) => scaleGradient),
  });
  members.forEach(({ name, shape }, index) => builder.update(next[index] as string, name, shape));
  return next;
}

export const weightScale = (weight: TrainedWeight): Member => ({
  name: weightNames(weight.name).scale,
  shape: [weight.shape[weight.axis] as number],
});

/** Adam on log s: d(log s) = s ds, and s becomes s * exp(-rate * direction), which cannot reach zero by itself. */
function updateLogScales(
  builder: OptimizerBuilder,
  name: string,
  rate: number,
  options: OptimizerOptions,
  { members, gradients }: { members: readonly Member[]; gradients: readonly string[] },
): string[] {
  if (members.length === 0) return [];
  const { emit } = builder;
  const scale = joinVector(
    builder,
    members.map((member) => builder.state(member.name, member.shape)),
  );
  const gradient = emit.op("Mul", [joinVector(builder, gradients), scale]);
  const step = adamStep(builder, name, [vectorLength(members)], gradient, rate, options);
  const moved = emit.op("Mul", [scale, emit.op("Exp", [emit.op("Neg", [step])])]);
  return splitVector(builder, emit.op("Max", [moved, builder.number(smallestScale)]), members);
}

/** rate * direction of the quantization parameters' Adam. */
function adamStep(
  builder: OptimizerBuilder,
  name: string,
  shape: number[],
  gradient: string,
  rate: number,
  options: OptimizerOptions,
): string {
  const hyper = {
    beta1: builder.hyper("quantization.beta1", options.quantizationBeta1),
    beta2: builder.hyper("quantization.beta2", options.quantizationBeta2),
    epsilon: builder.hyper("quantization.epsilon", options.quantizationEpsilon),
  };
  const { direction } = adamDirection(builder, { name, shape, gradient, steps: stepCounter }, hyper);
  return builder.emit.op("Mul", [direction, builder.hyper(`lr.${name}`, rate)]);
}

export function updateActivations(
  builder: OptimizerBuilder,
  activations: readonly TrainedActivation[],
  options: OptimizerOptions,
): void {
  const scales = activations.map(({ scale }): Member => ({ name: scale, shape: [] }));
  const next = updateLogScales(builder, "activation_scales", options.activationScaleRate, options, {
    members: scales,
    gradients: scales.map(({ name }) => builder.gradient(gradientName(name), [])),
  });
  next.forEach((value, index) => builder.update(value, (scales[index] as Member).name, []));
  const free = activations.filter(({ zeroPoint }) => zeroPoint !== undefined);
  if (free.length > 0) updateZeroPoints(builder, free, options);
}

/** Adam on the zero points as they are, in codes, then clamped to [qmin, qmax] so that real 0 keeps a code. */
function updateZeroPoints(
  builder: OptimizerBuilder,
  free: readonly TrainedActivation[],
  options: OptimizerOptions,
): void {
  const { emit } = builder;
  const members = free.map(({ zeroPoint }): Member => ({ name: zeroPoint as string, shape: [] }));
  const value = joinVector(
    builder,
    members.map(({ name }) => builder.state(name, [])),
  );
  const gradient = joinVector(
    builder,
    members.map(({ name }) => builder.gradient(gradientName(name), [])),
  );
  const step = adamStep(builder, "zero_points", [members.length], gradient, options.zeroPointRate, options);
  const raised = emit.op("Max", [
    emit.op("Sub", [value, step]),
    builder.vector(free.map(({ qmin }) => qmin)),
  ]);
  const clamped = emit.op("Min", [raised, builder.vector(free.map(({ qmax }) => qmax))]);
  splitVector(builder, clamped, members).forEach((part, index) => {
    builder.update(part, (members[index] as Member).name, []);
  });
}
