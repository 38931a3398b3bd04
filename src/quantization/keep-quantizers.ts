import type { CalibratedRange } from "../calibration/observers/observer.ts";
import { indexGraph } from "../ir/graph.ts";
import type { Model } from "../ir/model.ts";
import type { FileActivation, FileQuantizers, FileWeight } from "../passes/unquantize/file-quantizers.ts";
import type { AffineParameters, CodeRange } from "../tensor/affine.ts";
import { forEachInRow, type RowLayout } from "../tensor/rows.ts";
import { type PlanOptions, resolvePlanOptions } from "./options.ts";
import { planQuantization } from "./plan.ts";
import type { ActivationPlan, QuantizationPlan } from "./types.ts";

/** How far from a whole number of steps a weight may be that its file holds as codes: float32 products round. */
const nearness = 1e-3;

/** Layers that the file holds in float and that stay so, by name, besides those that are excluded anyway. */
export function floatLayers(model: Model, options: PlanOptions, { weights }: FileQuantizers): string[] {
  const excludeNodes = [...(options.excludeNodes ?? [])];
  for (;;) {
    const plan = planQuantization(model, { ...options, excludeNodes });
    const strange = plan.weights.filter(({ name }) => !weights.has(name));
    if (strange.length === 0) return excludeNodes;
    excludeNodes.push(...strange.flatMap(({ nodes }) => nodes));
  }
}

/** The plan with the bits that the file's codes have, where the target runs them. */
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

/** What the file says of an activation, by any of the names of its quantizer. */
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

/** The ranges of the file's codes, of the values that a plan observes; others are for calibration to find. */
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
 * Scale and zero point of the file for an activation whose codes lie in `range`; undefined where the plan wants other codes
 * than the file has: fewer of them, or around another zero point.
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
 * The file's scales for a weight, one per row, where all its values still are whole steps of them within the codes;
 * undefined where preparation changed it, or where the file had codes that a symmetric weight has not.
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

/** How much of a file's quantization a state still has, in numbers. */
export interface Kept {
  weights: number;
  activations: number;
  /** Values with codes that the file has none of. */
  added: number;
}

export function countKept(model: Model, plan: QuantizationPlan, quantizers: FileQuantizers): Kept {
  const { producer } = indexGraph(model.graph);
  const own = plan.activations.filter((each) => activationOf(each, quantizers) !== undefined);
  const added = plan.activations.filter((each) => !own.includes(each) && each.constant !== true);
  return {
    weights: plan.weights.length,
    activations: own.length,
    added: added.filter(({ name }) => producer.has(name)).length,
  };
}
