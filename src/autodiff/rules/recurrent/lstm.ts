import { intOf } from "../../../ir/attributes.ts";
import type { RuleContext } from "../../rule.ts";
import type { Cell, Direction } from "./direction.ts";
import { type Gates, gatesOf, type Peepholes } from "./lstm-gates.ts";
import { scanSteps, type ScanOptions } from "./scan-steps.ts";
import { masked, passedOn, splitGates, StepProducts } from "./step-products.ts";

/**
 * Forward   i, o, f = f(a_i), f(a_o), f(a_f),  g = g(a_g),  a = x · Wᵀ + h' · Rᵀ + b, to which peepholes add p_i*c',
 *           p_o*c, p_f*c';  c = f*c' + i*g,  h = o*k(c);  h', c' the states before; with coupled gates f = 1 - i
 * Backward  from the last step to the first, dh and dc of a step with what the next one gave it:
 *           da_o = dh*k(c)*o';  dc += dh*o*k'(c) + da_o*p_o
 *           da_i = dc*g*i' (coupled: dc*(g - c')*i'),  da_f = dc*c'*f' (coupled: 0),  da_g = dc*i*g'
 *           dh' = da · R,  dc' = dc*f + da_i*p_i + da_f*p_f
 *           of all steps at once: dx = da · W, dW = sum of daᵀ · x, dR = sum of daᵀ · h', db = sum of da,
 *           dp_i = sum of da_i*c', dp_o = sum of da_o*c, dp_f = sum of da_f*c'
 */
export const lstmCell: Cell = (c, d) => {
  const { build: b } = c;
  const { batch, hidden } = d.sizes;
  const products = new StepProducts(b, d.sizes);
  const peepholes = peepholesOf(c, d);
  const gates = gatesOf(c, d, products, peepholes);
  const shape = [batch, hidden];
  const { last, stacked } = scanSteps(b, {
    dtype: c.input(0).dtype,
    backwards: true,
    outputs: [[batch, 4 * hidden]],
    states: [d.dLast, d.dCellLast].map((value) => ({ value, shape })),
    inputs: [
      ...[d.dy, ...stepFactors(c, d, gates)].map((value) => ({ value, shape })),
      ...passedOn(b, d, c.input(0).dtype),
    ],
    step: stepBack(d.r, peepholes),
  });
  const da = stacked[0] as string;
  const dPeepholes = (): string => {
    const [di = "", dO = "", df = ""] = splitGates(b, da, 2, 4, hidden);
    const parts = [b.mul(di, gates.before), b.mul(dO, gates.after), b.mul(df, gates.before)];
    const sums = parts.map((value) => b.sum(value, [0, 1]));
    return b.op("Concat", sums, { axis: 0 });
  };
  return {
    dInput: da,
    dState: da,
    dr: () => products.sum(da, d.previous),
    dStart: last[0] as string,
    dCell: last[1] as string,
    dPeepholes,
  };
};

function peepholesOf(c: RuleContext, { peepholes, sizes }: Direction): Peepholes | undefined {
  if (peepholes === undefined) return undefined;
  const [input = "", output = "", forget = ""] = splitGates(c.build, peepholes, 0, 3, sizes.hidden);
  return intOf(c.node, "input_forget", 0) === 1 ? { input, output } : { input, output, forget };
}

/** What the gradients of a step are multiplied by, as `stepBack` takes them; 0 beyond the end of a sequence, f 1 there. */
function stepFactors(c: RuleContext, { kept }: Direction, gates: Gates): string[] {
  const { build: b } = c;
  const { input, output, forget, candidate, squashed, before } = gates;
  const one = b.scalar(1, c.input(0).dtype);
  const ofInput = forget === undefined ? b.sub(candidate.value, before) : candidate.value;
  const factors = [
    b.mul(squashed.value, output.slope()),
    b.mul(output.value, squashed.slope()),
    b.mul(ofInput, input.slope()),
    forget === undefined ? b.sub(before, before) : b.mul(before, forget.slope()),
    b.mul(input.value, candidate.slope()),
  ].map((factor) => masked(b, factor, kept));
  const kept1 = forget === undefined ? b.sub(one, input.value) : forget.value;
  return [...factors, kept === undefined ? kept1 : b.add(b.mul(kept1, kept), b.sub(one, kept))];
}

/** One step backwards: states dh and dc, inputs dy, the factors, and what is beyond the end of a sequence. */
function stepBack(r: string, peepholes: Peepholes | undefined): ScanOptions["step"] {
  return (
    s,
    [dhNext = "", dcNext = ""],
    [dy = "", ko = "", kc = "", ki = "", kf = "", kg = "", f = "", beyond],
  ) => {
    const { input, output, forget } = peepholes ?? {};
    const dh = s.add(dy, dhNext);
    const dO = s.mul(dh, ko);
    const through = s.add(dcNext, s.mul(dh, kc));
    const dc = output === undefined ? through : s.add(through, s.mul(dO, output));
    const [di, df, dg] = [s.mul(dc, ki), s.mul(dc, kf), s.mul(dc, kg)];
    const da = s.op("Concat", [di, dO, df, dg], { axis: 1 });
    const before = s.op("MatMul", [da, r]);
    const kept = s.mul(dc, f);
    const peeped = input === undefined ? kept : s.add(kept, s.mul(di, input));
    return {
      states: [
        beyond === undefined ? before : s.add(before, s.mul(dhNext, beyond)),
        forget === undefined ? peeped : s.add(peeped, s.mul(df, forget)),
      ],
      outputs: [da],
    };
  };
}
