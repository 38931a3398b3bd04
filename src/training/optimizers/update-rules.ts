import type { OptimizerOptions } from "./options.ts";
import type { OptimizerBuilder } from "./ports.ts";

/** A parameter (or several, concatenated) for an update rule. */
export interface Updatable {
  /** Prefix of its state tensors' names. */
  name: string;
  shape: (number | string)[];
  value: string;
  gradient: string;
  rate: string;
  /** Weight decay; undefined where the parameter never decays. */
  decay: string | undefined;
  /** Steps taken before this one: a scalar, or per row in a shape that broadcasts against the value. */
  steps: string;
}

/** Emits the update, declares its state, and returns the new value. */
export type UpdateRule = (
  builder: OptimizerBuilder,
  target: Updatable,
  options: OptimizerOptions,
) => { value: string; slots: string[] };

/** Gives scalars the rank of a parameter. */
const spreadTo =
  (builder: OptimizerBuilder, { shape }: Pick<Updatable, "shape">) =>
  (value: string): string =>
    builder.spread(value, shape.length);

/**
 * SGD with momentum, as torch.optim.SGD
 *   g = g + decay * w;  v = momentum * v + g;  w = w - rate * v        (Nesterov: w - rate * (g + momentum * v))
 */
const sgd: UpdateRule = (builder, target, options) => {
  const { emit } = builder;
  const spread = spreadTo(builder, target);
  const momentum = spread(builder.hyper("momentum", options.momentum));
  const slot = builder.state(`${target.name}.momentum`, target.shape);
  const decayed =
    target.decay === undefined
      ? target.gradient
      : emit.op("Add", [target.gradient, emit.op("Mul", [target.value, spread(target.decay)])]);
  const velocity = emit.op("Add", [emit.op("Mul", [slot, momentum]), decayed]);
  builder.update(velocity, slot, target.shape);
  const direction = options.nesterov
    ? emit.op("Add", [decayed, emit.op("Mul", [velocity, momentum])])
    : velocity;
  return {
    value: emit.op("Sub", [target.value, emit.op("Mul", [direction, spread(target.rate)])]),
    slots: [slot],
  };
};

/**
 * AdamW, as torch.optim.AdamW (weight decay decoupled)
 *   w = w * (1 - rate * decay) - rate * adamDirection
 */
const adamw: UpdateRule = (builder, target, options) => {
  const { emit } = builder;
  const spread = spreadTo(builder, target);
  const hyper = {
    beta1: builder.hyper("beta1", options.beta1),
    beta2: builder.hyper("beta2", options.beta2),
    epsilon: builder.hyper("epsilon", options.epsilon),
  };
  const { direction, slots } = adamDirection(builder, target, hyper);
  const shrunk =
    target.decay === undefined
      ? target.value
      : emit.op("Mul", [
          target.value,
          spread(emit.op("Sub", [builder.number(1), emit.op("Mul", [target.rate, target.decay])])),
        ]);
  return { value: emit.op("Sub", [shrunk, emit.op("Mul", [direction, spread(target.rate)])]), slots };
};

/** Rules for weights and float parameters, by optimizer kind. */
export const updateRules = { sgd, adamw } satisfies Record<OptimizerOptions["kind"], UpdateRule>;

/**
 * Adam's direction after t steps, this one included
 *   m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g²;  (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon)
 */
export function adamDirection(
  builder: OptimizerBuilder,
  target: Pick<Updatable, "name" | "shape" | "gradient" | "steps">,
  hyper: { beta1: string; beta2: string; epsilon: string },
): { direction: string; slots: string[] } {
  const { emit } = builder;
  const spread = spreadTo(builder, target);
  const one = builder.number(1);
  const count = emit.op("Add", [target.steps, one]);
  const moment = (suffix: string, beta: string, sample: string): string[] => {
    const slot = builder.state(`${target.name}.${suffix}`, target.shape);
    const fresh = emit.op("Mul", [sample, spread(emit.op("Sub", [one, beta]))]);
    const next = emit.op("Add", [emit.op("Mul", [slot, spread(beta)]), fresh]);
    builder.update(next, slot, target.shape);
    const unbiased = emit.op("Div", [next, emit.op("Sub", [one, emit.op("Pow", [beta, count])])]);
    return [slot, unbiased];
  };
  const [first, mean] = moment("exp_avg", hyper.beta1, target.gradient) as [string, string];
  const square = emit.op("Mul", [target.gradient, target.gradient]);
  const [second, variance] = moment("exp_avg_sq", hyper.beta2, square) as [string, string];
  const deviation = emit.op("Add", [emit.op("Sqrt", [variance]), spread(hyper.epsilon)]);
  return { direction: emit.op("Div", [mean, deviation]), slots: [first, second] };
}
