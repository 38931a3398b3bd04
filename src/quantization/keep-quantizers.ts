import type { CalibratedRange } from "../calibration/observers/observer.ts";
import { indexGraph } from "../ir/graph.ts";
import type { Model } from "../ir/model.ts";
import type { FileActivation, FileQuantizers, FileWeight } from "../passes/unquantize/file-quantizers.ts";
import type { AffineParameters, CodeRange } from "../tensor/affine.ts";
import { forEachInRow, type RowLayout } from "../tensor/rows.ts";
import { type PlanOptions, resolvePlanOptions } from "./options.ts";
import { planQuantization } from "./plan.ts";
import type { ActivationPlan, QuantizationPlan } from "./types.ts";

/**
 * Largest distance, in steps, of a weight from its code at which the file's scale is kept: products in float32 are
 * rounded.
 */
const nearness = 1e-3;

/**
 * Names of nodes to exclude so that layers which the file holds in float stay float, after those that `options`
 * excludes.
 */
export function floatLayers(model: Model, options: PlanOptions, { weights }: FileQuantizers): string[] {
  const excludeNodes = [...(options.excludeNodes ?? [])];
  for (;;) {
    const plan = planQuantization(model, { ...options, excludeNodes });
    const inFloat = plan.weights.filter(({ name }) => !weights.has(name));
    if (inFloat.length === 0) return excludeNodes;
    excludeNodes.push(...inFloat.flatMap(({ nodes }) => nodes));
  }
}

/** The plan with the file's bits for each quantizer, where the target supports them. */
export function keepBits(
  plan: QuantizationPlan,
  quantizers: FileQuantizers,
  options: PlanOptions,
): QuantizationPlan {
  const { activations, weights } = resolvePlanOptions(options).target;
  return {
    ...plan,
    activations: plan.activations.map((each) => {
      const bits = bitsOf(activationOf(each, quantizers));
      return bits === undefined || !activations.bits.includes(bits) ? each : { ...each, bits };
    }),
    weights: plan.weights.map((each) => {
      const bits = quantizers.weights.get(each.name)?.bits;
      return bits === undefined || !weights.bits.includes(bits) ? each : { ...each, bits };
    }),
  };
}

/** The file's quantizer of an activation, looked up by each of the values that share the plan's quantizer. */
function activationOf(
  { name, observed, tensors }: Pick<ActivationPlan, "name" | "observed" | "tensors">,
  { activations }: FileQuantizers,
): FileActivation | undefined {
  return [observed ?? name, name, ...tensors].map((each) => activations.get(each)).find(Boolean);
}

function bitsOf(activation: FileActivation | undefined): ActivationPlan["bits"] | undefined {
  if (activation === undefined) return undefined;
  const codes = activation.qmax - activation.qmin + 1;
  return codes <= 16 ? 4 : codes <= 256 ? 8 : 16;
}

/** Ranges of the file's codes, by the value that the plan observes; values that are missing need calibration. */
export function keptRanges(
  { activations }: QuantizationPlan,
  quantizers: FileQuantizers,
): Map<string, CalibratedRange> {
  const ranges = new Map<string, CalibratedRange>();
  for (const plan of activations) {
    const found = activationOf(plan, quantizers);
    if (found === undefined || plan.constant || plan.fixedRange !== undefined) continue;
    const { scale, zeroPoint, qmin, qmax } = found;
    const range = { min: (qmin - zeroPoint) * scale, max: (qmax - zeroPoint) * scale };
    ranges.set(plan.observed ?? plan.name, range);
  }
  return ranges;
}

/**
 * The file's scale and zero point for an activation with codes in `range`. Undefined where the plan needs other codes
 * than the file has: other bits, or another zero point.
 */
export function keptSteps(
  plan: ActivationPlan,
  range: CodeRange,
  quantizers: FileQuantizers | undefined,
): AffineParameters | undefined {
  const found = quantizers && activationOf(plan, quantizers);
  if (found === undefined || bitsOf(found) !== plan.bits) return undefined;
  const middle = plan.bits === 4 ? 8 : plan.bits === 8 ? 128 : 32768;
  const shift = plan.signed === found.signed ? 0 : plan.signed ? -middle : middle;
  const zeroPoint = found.zeroPoint + shift;
  const fits = zeroPoint >= range.qmin && zeroPoint <= range.qmax && (!plan.symmetric || zeroPoint === 0);
  return fits && !(plan.fixedZeroPoint && !plan.symmetric && zeroPoint !== range.qmin)
    ? { scale: found.scale, zeroPoint }
    : undefined;
}

/**
 * The file's scales for a weight, one per row, if all its values still are codes in [qmin, qmax] times these scales.
 * Undefined where preparation changed the weight, or where the file uses codes outside that range.
 */
export function keptScales(
  data: Float32Array,
  layout: RowLayout,
  { qmin, qmax }: CodeRange,
  found: FileWeight | undefined,
): Float32Array | undefined {
  const count = found?.scale.length;
  if (found === undefined || (count !== 1 && count !== layout.rows)) return undefined;
  const scales = Float32Array.from(
    { length: layout.rows },
    (_, row) => found.scale[count === 1 ? 0 : row] as number,
  );
  let whole = true;
  for (let row = 0; row < layout.rows && whole; row++) {
    const scale = scales[row] as number;
    forEachInRow(layout, row, (i) => {
      const steps = (data[i] as number) / scale;
      if (!(Math.abs(steps - Math.round(steps)) <= nearness && steps > qmin - 0.5 && steps < qmax + 0.5))
        whole = false;
    });
  }
  return whole ? scales : undefined;
}

/** How many quantizers of a file are kept. */
export interface Kept {
  weights: number;
  activations: number;
  /** Quantized activations for which the file has no quantizer. */
  added: number;
}

export function countKept(model: Model, plan: QuantizationPlan, quantizers: FileQuantizers): Kept {
  const { producer } = indexGraph(model.graph);
  const isOwn = (each: ActivationPlan): boolean => activationOf(each, quantizers) !== undefined;
  const own = plan.activations.filter(isOwn);
  const added = plan.activations.filter((each) => !isOwn(each) && each.constant !== true);
  return {
    weights: plan.weights.length,
    activations: own.length,
    added: added.filter(({ name }) => producer.has(name)).length,
  };
}
