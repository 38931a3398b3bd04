import type { GateActivation } from "./gate-activations.ts";
import { GateEmitter } from "./gate-activations.ts";
import type { Cell } from "./direction.ts";
import { masked, passedOn, StepProducts } from "./step-products.ts";
import { scanSteps } from "./scan-steps.ts";

/**
 * Forward   h = f(a),  a = x · Wᵀ + h' · Rᵀ + b,  h' the state before
 * Backward  from the last step to the first, dh of a step with what the next one gave it:
 *           da = dh*f'(a);  dh' = da · R
 *           of all steps at once: dx = da · W, dW = sum of daᵀ · x, dR = sum of daᵀ · h', db = sum of da
 */
export const rnnCell: Cell = (c, d) => {
  const { build: b } = c;
  const { dtype } = c.input(0);
  const products = new StepProducts(b, d.sizes);
  const sums = [products.byRows(d.x, d.w), products.byRows(d.previous, d.r), ...(d.biases ?? [])];
  const a = sums.reduce((left, right) => b.add(left, right));
  const slope = new GateEmitter(b, c.node, dtype).gate(d.activations[0] as GateActivation, a).slope();
  const shape = [d.sizes.batch, d.sizes.hidden];
  const { last, stacked } = scanSteps(b, {
    dtype,
    backwards: true,
    outputs: [shape],
    states: [{ value: d.dLast, shape }],
    inputs: [{ value: d.dy, shape }, { value: masked(b, slope, d.kept), shape }, ...passedOn(b, d, dtype)],
    step: (s, [dNext = ""], [dy = "", factor = "", beyond]) => {
      const da = s.mul(s.add(dy, dNext), factor);
      const before = s.op("MatMul", [da, d.r]);
      return {
        states: [beyond === undefined ? before : s.add(before, s.mul(dNext, beyond))],
        outputs: [da],
      };
    },
  });
  const da = stacked[0] as string;
  return {
    dInput: da,
    dState: da,
    dr: () => products.sum(da, d.previous),
    dStart: last[0] as string,
  };
};
