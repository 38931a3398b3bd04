import type { RangeOptions } from "../calibration/calibrate.ts";
import { layerPaths, type LayerPath } from "../calibration/observers/follow-value.ts";
import type { CalibratedRange, SpoiltRange } from "../calibration/observers/observer.ts";
import type { Model } from "../ir/model.ts";
import type { FileQuantizers } from "../passes/unquantize/file-quantizers.ts";
import { keepBits, keptRanges } from "../quantization/keep-quantizers.ts";
import type { PlanOptions } from "../quantization/options.ts";
import { observedTensors } from "../quantization/parameters.ts";
import { planQuantization } from "../quantization/plan.ts";
import type { QuantizationPlan } from "../quantization/types.ts";
import { formatPercent } from "../report/format.ts";

/** A plan, and the ranges of what it quantizes. */
export interface Ranged {
  plan: QuantizationPlan;
  ranges: Map<string, CalibratedRange>;
  /** Notes on what stays float because of its values. */
  notes: string[];
}

/** Where ranges come from: samples, or statistics of them. */
export type RangeSource = (
  values: readonly string[],
  options: Pick<RangeOptions, "formats" | "readers">,
) => Promise<ReadonlyMap<string, CalibratedRange>> | ReadonlyMap<string, CalibratedRange>;

/**
 * Plans quantization and finds ranges. Values whose ranges are unusable (infinite, or set by a few outliers) stay
 * float, together with the nodes that need their codes: the plan is made again without them. Ranges in `kept` are used
 * as they are.
 */
export async function findRanges(
  model: Model,
  planOptions: PlanOptions,
  rangesOf: RangeSource,
  kept?: FileQuantizers,
): Promise<Ranged> {
  const floatValues = new Map<string, string>();
  const ranges = new Map<string, CalibratedRange>();
  const notes: string[] = [];
  for (;;) {
    const planned = planQuantization(model, { ...planOptions, floatValues });
    const plan = kept === undefined ? planned : keepBits(planned, kept, planOptions);
    if (kept !== undefined) for (const [name, range] of keptRanges(plan, kept)) ranges.set(name, range);
    const formats = observedTensors(plan);
    const missing = [...formats.keys()].filter((name) => !ranges.has(name));
    const found =
      missing.length === 0 ? [] : await rangesOf(missing, { formats, readers: soleLayers(model, plan) });
    for (const [name, range] of found) ranges.set(name, range);
    const spoilt = plan.activations.filter((activation) => {
      const range = ranges.get(activation.observed ?? activation.name);
      return formats.has(activation.observed ?? activation.name) && range?.spoilt !== undefined;
    });
    if (spoilt.length === 0) return { plan, ranges, notes };
    for (const { name, observed = name, tensors } of spoilt) {
      const range = ranges.get(observed) as CalibratedRange;
      const reason = describeSpoilt(observed, range, range.spoilt as SpoiltRange);
      notes.push(`${reason}; it stays float, and so does what needs its codes.`);
      for (const value of [name, observed, ...tensors]) floatValues.set(value, reason);
    }
  }
}

/** For each value that only one weighted layer reads, the path to that layer. */
function soleLayers({ graph }: Model, plan: QuantizationPlan): Map<string, LayerPath> {
  const layers = new Set(plan.weights.flatMap(({ nodes }) => nodes));
  return layerPaths(graph, (node, value) => layers.has(node.name) && node.inputs[0] === value);
}

function describeSpoilt(name: string, { min, max }: CalibratedRange, spoilt: SpoiltRange): string {
  if ("unseen" in spoilt) return `"${name}" is empty in all calibration samples`;
  if ("infiniteOn" in spoilt) return `"${name}" is infinite on calibration sample ${spoilt.infiniteOn}`;
  if ("nanOn" in spoilt) return `"${name}" is no number on calibration sample ${spoilt.nanOn}`;
  const [low, high] = [min, max].map((value) => value.toPrecision(3));
  if ("reader" in spoilt) {
    const { reader, off, decibels } = spoilt;
    const left =
      off > 0.5
        ? `${formatPercent(off)} of what "${reader}" computes from it off by more than half`
        : `what "${reader}" computes from it ${decibels.toFixed(1)} dB above its noise`;
    return `8 bits over the range [${low}, ${high}] of "${name}" leave ${left}`;
  }
  return `${formatPercent(spoilt.share)} of the values of "${name}" take nearly all of its range [${low}, ${high}], over which 8 bits make zeros of ${formatPercent(spoilt.lost)} of the others`;
}
