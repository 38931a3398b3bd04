import { InternalError, modelError } from "../errors.ts";
import type { Graph, Model } from "../ir/model.ts";
import { type AffineParameters, affineOfRange, type CodeFormat, type ValueRange } from "../tensor/affine.ts";
import type { FileQuantizers } from "../passes/unquantize/file-quantizers.ts";
import { rowLayout } from "../tensor/rows.ts";
import { viewAs } from "../tensor/tensor.ts";
import { enlargeForBias } from "./bias-guard.ts";
import { encodeWeight } from "./encode-weight.ts";
import { keptScales, keptSteps } from "./keep-quantizers.ts";
import { limitPairs, tieScales } from "./limit-weight.ts";
import {
  type ActivationPlan,
  codeRange,
  type QuantizationPlan,
  type QuantizationState,
  type QuantizedActivation,
  type QuantizedWeight,
  type WeightPlan,
} from "./types.ts";
import { findWeightScales, type WeightScaleMethod } from "./weight-scales.ts";

export interface StateOptions {
  /** Default: "mse" for 4-bit weights, "minmax" for 8-bit ones. */
  weightScales?: WeightScaleMethod;
  /** Scales and zero points of an already quantized file; kept where the plan has a quantizer at the same value. */
  kept?: FileQuantizers | undefined;
  /** Given scales of weights by the weight's name: one for all rows, or one for each. */
  givenScales?: ReadonlyMap<string, readonly number[]>;
}

/** Values whose ranges `computeState` needs, with the codes they will get: what to calibrate. */
export function observedTensors(plan: QuantizationPlan): Map<string, CodeFormat> {
  const observed = new Map<string, CodeFormat>();
  for (const activation of plan.activations)
    if (activation.fixedRange === undefined && activation.constant === undefined)
      observed.set(activation.observed ?? activation.name, formatOf(activation));
  return observed;
}

/** The codes of an activation quantizer. */
function formatOf({ bits, signed, symmetric }: ActivationPlan): CodeFormat {
  return { ...codeRange(bits, signed, symmetric), symmetric };
}

/**
 * Scales, zero points and integer codes from the float model's weights and the ranges of its activations (by value
 * name, at least those of `observedTensors`). A weight row whose bias would overflow int32 gets a larger scale and
 * is listed in `enlargedRows`.
 * @throws UserError when a weight, bias or range is not finite.
 */
export function computeState(
  model: Model,
  plan: QuantizationPlan,
  ranges: ReadonlyMap<string, ValueRange>,
  options: StateOptions = {},
): QuantizationState {
  const activations = new Map<string, QuantizedActivation>();
  for (const activation of plan.activations)
    activations.set(
      activation.name,
      computeActivation(activation, rangeOf(model.graph, activation, ranges), options.kept),
    );
  const weights = new Map<string, QuantizedWeight>();
  for (const weight of plan.weights)
    weights.set(weight.name, computeWeight(model.graph, weight, plan, activations, options));
  return { weights, activations, biases: plan.biases };
}

function rangeOf(graph: Graph, plan: ActivationPlan, ranges: ReadonlyMap<string, ValueRange>): ValueRange {
  if (plan.fixedRange !== undefined) return { min: plan.fixedRange[0], max: plan.fixedRange[1] };
  const name = plan.observed ?? plan.name;
  const range = plan.constant ? rangeOfConstant(graph, name) : ranges.get(name);
  if (range === undefined) throw new InternalError(`no range for the quantized value "${name}"`);
  if (Number.isFinite(range.min) && Number.isFinite(range.max)) return range;
  throw notFinite(`The range of the value "${name}" is [${range.min}, ${range.max}]`, `value "${name}"`);
}

function rangeOfConstant(graph: Graph, name: string): ValueRange {
  const range = { min: 0, max: 0 };
  for (const value of floatsOf(graph, name)) {
    if (!Number.isFinite(value))
      throw notFinite(`The constant "${name}" holds NaN or Inf`, `initializer "${name}"`);
    range.min = Math.min(range.min, value);
    range.max = Math.max(range.max, value);
  }
  return range;
}

function computeActivation(
  plan: ActivationPlan,
  range: ValueRange,
  kept: FileQuantizers | undefined,
): QuantizedActivation {
  const format = formatOf(plan);
  // Symmetric int8 scales are made for -127..127; QuantizeLinear nevertheless saturates at -128.
  const qmin = plan.signed && plan.bits === 8 ? -128 : format.qmin;
  const { qmax } = format;
  const found = keptSteps(plan, { qmin, qmax }, kept);
  if (found !== undefined) return { ...plan, qmin, qmax, ...found };
  const { scale, zeroPoint } = fixedSteps(plan) ?? affineOfRange(widen(range, plan.leastRange), format);
  const empty = Math.max(0, range.max) - Math.min(0, range.min) === 0;
  const pinned = empty && plan.fixedZeroPoint && !plan.symmetric;
  return { ...plan, qmin, qmax, scale, zeroPoint: pinned ? qmin : zeroPoint };
}

/**
 * Scale and zero point of a known range at 16 bits: a power of two, as in ONNX Runtime's configuration for QNN (Sigmoid
 * 1/65536, Tanh 1/32768). The upper end of the range has no code of its own. Undefined for other quantizers.
 */
function fixedSteps({ bits, fixedRange, signed }: ActivationPlan): AffineParameters | undefined {
  if (bits !== 16 || fixedRange === undefined) return undefined;
  const [min, max] = fixedRange;
  const scale = (max - min) / 2 ** 16;
  return { scale, zeroPoint: -min / scale - (signed ? 2 ** 15 : 0) };
}

/** The range, its upper end moved up where it is narrower than `least`. */
function widen(range: ValueRange, least = 0): ValueRange {
  return range.max - range.min >= least ? range : { min: range.min, max: range.min + least };
}

function computeWeight(
  graph: Graph,
  plan: WeightPlan,
  { biases }: QuantizationPlan,
  activations: Map<string, QuantizedActivation>,
  options: StateOptions,
): QuantizedWeight {
  const codes = codeRange(plan.bits, true, true);
  const shape = [...(graph.initializers.get(plan.name)?.dims ?? [])];
  const data = floatsOf(graph, plan.name);
  const layout = rowLayout(shape, plan.axis);
  const method = options.weightScales ?? (plan.bits === 4 ? "mse" : "minmax");
  const found =
    keptScales(data, layout, codes, options.kept?.weights.get(plan.name)) ??
    findWeightScales(plan.name, data, layout, codes, method);
  const given = options.givenScales?.get(plan.name);
  const scale = given === undefined ? found : found.map((_, row) => given[row] ?? (given[0] as number));
  tieScales(plan, scale);
  const enlarged = new Set<number>();
  for (const bias of biases) {
    if (bias.weight !== plan.name) continue;
    const values = floatsOf(graph, bias.name);
    if (!values.every(Number.isFinite))
      throw notFinite(`The bias "${bias.name}" holds NaN or Inf`, `node "${bias.node}"`);
    const activation = activations.get(bias.activation) as QuantizedActivation;
    for (const row of enlargeForBias(scale, values, activation.scale)) enlarged.add(row);
  }
  tieScales(plan, scale);
  return limitPairs({
    ...plan,
    ...codes,
    shape,
    codes: encodeWeight(data, layout, scale, codes),
    scale,
    enlargedRows: [...enlarged].sort((a, b) => a - b),
  });
}

function floatsOf(graph: Graph, name: string): Float32Array {
  const tensor = graph.initializers.get(name);
  if (tensor === undefined) throw new InternalError(`"${name}" is not an initializer`);
  return viewAs(tensor, "float32");
}

function notFinite(what: string, where: string): Error {
  return modelError(
    "not-finite",
    what,
    where,
    "Check the weights of the model and the data it is calibrated with.",
  );
}
