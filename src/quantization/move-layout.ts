import { indexGraph } from "../ir/graph.ts";
import type { Model } from "../ir/model.ts";
import { forEachInRow, rowLayout } from "../tensor/rows.ts";
import { planQuantization } from "./plan.ts";
import type { Target } from "./targets/target.ts";
import type {
  ActivationPlan,
  QuantizationPlan,
  QuantizationState,
  QuantizedActivation,
  QuantizedWeight,
} from "./types.ts";

/** A trained state in another target's layout. */
export interface MovedState {
  plan: QuantizationPlan;
  state: QuantizationState;
  /** Dequantized values of trained weights that stay float in this layout, by name. */
  floats: Map<string, Float32Array>;
  /** Names of trained activation quantizers that this layout does not have. */
  freed: string[];
}

/** A quantizer of the layout for which there is no trained state. */
export interface Obstacle {
  node: string;
  op: string;
  reason: string;
}

/**
 * Moves the quantizers of a trained state to the places where another target has them. The target may use fewer
 * quantizers than were trained; one that was not trained, or with other bits or signs, is an obstacle. Layers that were
 * left in float stay float.
 */
export function moveLayout(
  model: Model,
  trained: { plan: QuantizationPlan; state: QuantizationState },
  target: Target,
): MovedState | { obstacles: Obstacle[] } {
  const { state } = trained;
  const plan = planTrained(model, state, target);
  const known = quantizersByValue(state);
  const obstacles: Obstacle[] = [];
  const weights = new Map<string, QuantizedWeight>();
  for (const weight of plan.weights) {
    const { bits, axis, shape, qmin, qmax, codes, scale } = state.weights.get(weight.name) as QuantizedWeight;
    if (axis !== weight.axis)
      obstacles.push(atNode(weight.nodes[0], weight.op, "it needs scales along another axis"));
    weights.set(weight.name, { ...weight, bits, shape, qmin, qmax, codes, scale, enlargedRows: [] });
  }
  const activations = new Map<string, QuantizedActivation>();
  for (const activation of plan.activations) {
    const found = known.get(activation.name);
    const reason = mismatch(activation, found, target);
    if (reason !== undefined) obstacles.push(atValue(model, activation.name, reason));
    if (found === undefined) continue;
    const { bits, qmin, qmax, scale, zeroPoint } = found;
    activations.set(activation.name, { ...activation, bits, qmin, qmax, scale, zeroPoint });
  }
  if (obstacles.length > 0) return { obstacles };
  const own = new Set(plan.activations.flatMap(({ tensors }) => tensors));
  return {
    plan: {
      ...plan,
      weights: plan.weights.map((each) => ({ ...each, bits: weights.get(each.name)?.bits ?? 8 })),
    },
    state: { weights, activations, biases: plan.biases },
    floats: floatsOf(state, weights),
    freed: trained.plan.activations
      .filter(({ tensors }) => !tensors.some((name) => own.has(name)))
      .map(({ name }) => name),
  };
}

/** The target's plan, in which layers without trained codes stay float. */
function planTrained(model: Model, { weights }: QuantizationState, target: Target): QuantizationPlan {
  const excludeNodes: string[] = [];
  for (;;) {
    const plan = planQuantization(model, { target, excludeNodes });
    const untrained = plan.weights.filter(({ name }) => !weights.has(name));
    if (untrained.length === 0) return plan;
    excludeNodes.push(...untrained.flatMap(({ nodes }) => nodes));
  }
}

const quantizersByValue = ({ activations }: QuantizationState): Map<string, QuantizedActivation> =>
  new Map([...activations.values()].flatMap((each) => each.tensors.map((name) => [name, each] as const)));

function mismatch(
  { signed, symmetric }: ActivationPlan,
  found: QuantizedActivation | undefined,
  target: Target,
): string | undefined {
  if (found === undefined) return "its codes were not trained";
  if (!target.activations.bits.includes(found.bits)) return `its codes have ${found.bits} bits`;
  if (found.signed !== signed || found.symmetric !== symmetric)
    return `its codes are ${describeCodes(found)}, and ${target.runtime} takes ${describeCodes({ signed, symmetric })}`;
  return undefined;
}

const describeCodes = ({ signed, symmetric }: Pick<ActivationPlan, "signed" | "symmetric">): string =>
  `${signed ? "int8" : "uint8"}${symmetric ? " around zero" : ""}`;

const atNode = (node = "", op: string, reason: string): Obstacle => ({ node, op, reason });

/** An obstacle at a value, reported at the node that writes it or, for model inputs, the first that reads it. */
function atValue({ graph }: Model, value: string, reason: string): Obstacle {
  const { producer, consumers } = indexGraph(graph);
  const node = producer.get(value) ?? consumers.get(value)?.[0];
  return { node: node?.name ?? value, op: node?.opType ?? "input", reason: `"${value}": ${reason}` };
}

function floatsOf(
  { weights }: QuantizationState,
  kept: ReadonlyMap<string, QuantizedWeight>,
): Map<string, Float32Array> {
  const floats = new Map<string, Float32Array>();
  for (const [name, { codes, scale, shape, axis }] of weights) {
    if (kept.has(name)) continue;
    const values = new Float32Array(codes.length);
    const layout = rowLayout(shape, axis);
    for (let row = 0; row < layout.rows; row++)
      forEachInRow(layout, row, (i) => {
        values[i] = (codes[i] as number) * (scale[row] as number);
      });
    floats.set(name, values);
  }
  return floats;
}
