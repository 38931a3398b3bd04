import { intOf } from "../../../ir/attributes.ts";
import type { RuleContext } from "../../rule.ts";
import { slice } from "../axes.ts";
import type { Cell, Direction } from "./direction.ts";
import { type Gate, type GateActivation, GateEmitter } from "./gate-activations.ts";
import { scanSteps, type ScanOptions } from "./scan-steps.ts";
import { masked, passedOn, splitGates, StepProducts } from "./step-products.ts";

/**
 * Forward   z, r = f(a_z), f(a_r),  n = g(a_n),  h = (1 - z)*n + z*h',  a = x · Wᵀ + h' · Rᵀ + b, h' the state before;
 *           in a_n the state's part is (r*h') · R_nᵀ + b_n, or r*(h' · R_nᵀ + b_n) where the product comes first
 * Backward  from the last step to the first, dh of a step with what the next one gave it:
 *           da_n = dh*(1 - z)*n',  da_z = dh*(h' - n)*z'
 *           product last:  dm = da_n · R_n,  da_r = dm*h'*r',  dh' = dh*z + dm*r + [da_z, da_r] · R_zr
 *           product first: q = h' · R_nᵀ + b_n,  da_r = da_n*q*r',  dh' = dh*z + [da_z, da_r, da_n*r] · R
 *           of all steps at once: dx = da · W, dW = sum of daᵀ · x, dR = sum of daᵀ · h' (of R_n: da_nᵀ · (r*h'), or
 *           (da_n*r)ᵀ · h'), db = sums of the same
 */
export const gruCell: Cell = (c, d) => {
  const { build: b } = c;
  const { batch, hidden } = d.sizes;
  const { dtype } = c.input(0);
  const products = new StepProducts(b, d.sizes);
  const matrices = matricesOf(c, d);
  const gates = gatesOf(c, d, products, matrices);
  const [shape, all] = [
    [batch, hidden],
    [batch, 3 * hidden],
  ];
  const factors = stepFactors(c, d, gates);
  const { last, stacked } = scanSteps(b, {
    dtype,
    backwards: true,
    outputs: [all, all],
    step: stepBack(matrices),
    states: [{ value: d.dLast, shape }],
    inputs: [...[d.dy, ...factors].map((value) => ({ value, shape })), ...passedOn(b, d, dtype)],
  });
  const [dInput = "", dState = ""] = stacked;
  const dr = (): string => {
    if (matrices.first) return products.sum(dState, d.previous);
    const [ofGates, ofCandidate] = [
      slice(c, dInput, 2, 0, 2 * hidden),
      slice(c, dInput, 2, 2 * hidden, 3 * hidden),
    ];
    const reset = b.mul(gates.reset.value, d.previous);
    const parts = [products.sum(ofGates, d.previous), products.sum(ofCandidate, reset)];
    return b.op("Concat", parts, { axis: 0 });
  };
  return { dInput, dState: matrices.first ? dState : dInput, dr, dStart: last[0] as string };
};

/** The matrices of the state's products. */
interface StateMatrices {
  /** Whether the candidate's product comes before the reset gate. */
  first: boolean;
  whole: string;
  ofGates: string;
  ofCandidate: string;
}

function matricesOf(c: RuleContext, { r, sizes: { hidden } }: Direction): StateMatrices {
  const first = intOf(c.node, "linear_before_reset", 0) !== 0;
  if (first) return { first, whole: r, ofGates: "", ofCandidate: "" };
  const [ofGates, ofCandidate] = [slice(c, r, 0, 0, 2 * hidden), slice(c, r, 0, 2 * hidden, 3 * hidden)];
  return { first, whole: r, ofGates, ofCandidate };
}

/** The gates at all steps, [steps, batch, hidden]. */
interface GruGates {
  update: Gate;
  reset: Gate;
  candidate: Gate;
  /** What the reset gate is multiplied with: the state before, or its product. */
  gated: string;
}

/** Computes the gates again from the hidden states that the forward gave. */
function gatesOf(c: RuleContext, d: Direction, products: StepProducts, matrices: StateMatrices): GruGates {
  const { build: b } = c;
  const { hidden } = d.sizes;
  const [f, g] = d.activations as [GateActivation, GateActivation];
  const emitter = new GateEmitter(b, c.node, c.input(0).dtype);
  const biased = (value: string, bias: string | undefined): string =>
    bias === undefined ? value : b.add(value, bias);
  const ofInput = splitGates(b, biased(products.byRows(d.x, d.w), d.biases?.[0]), 2, 3, hidden);
  const [xz = "", xr = "", xn = ""] = ofInput;
  const bias = d.biases?.[1];
  const cut = (start: number, end: number): string | undefined =>
    bias === undefined ? undefined : slice(c, bias, 0, start * hidden, end * hidden);
  const ofState = matrices.first
    ? splitGates(b, biased(products.byRows(d.previous, matrices.whole), bias), 2, 3, hidden)
    : splitGates(b, biased(products.byRows(d.previous, matrices.ofGates), cut(0, 2)), 2, 2, hidden);
  const [hz = "", hr = "", product] = ofState;
  const [update, reset] = [emitter.gate(f, b.add(xz, hz)), emitter.gate(f, b.add(xr, hr))];
  const gated = product ?? d.previous;
  const through = b.mul(reset.value, gated);
  const state = matrices.first ? through : biased(products.byRows(through, matrices.ofCandidate), cut(2, 3));
  return { update, reset, candidate: emitter.gate(g, b.add(xn, state)), gated };
}

/** What the gradients of a step are multiplied by, as `stepBack` takes them; 0 beyond the end of a sequence. */
function stepFactors(c: RuleContext, { kept, previous }: Direction, gates: GruGates): string[] {
  const { build: b } = c;
  const { update, reset, candidate, gated } = gates;
  const ofCandidate = b.sub(b.scalar(1, c.input(0).dtype), update.value);
  return [
    b.mul(b.sub(previous, candidate.value), update.slope()),
    b.mul(ofCandidate, candidate.slope()),
    b.mul(gated, reset.slope()),
    update.value,
    reset.value,
  ].map((factor) => masked(b, factor, kept));
}

/** One step backwards: state dh, inputs dy, the factors, and what is beyond the end of a sequence. */
function stepBack({ first, whole, ofGates, ofCandidate }: StateMatrices): ScanOptions["step"] {
  return (s, [dNext = ""], [dy = "", kz = "", kn = "", kr = "", z = "", r = "", beyond]) => {
    const dh = s.add(dy, dNext);
    const [dz, dn] = [s.mul(dh, kz), s.mul(dh, kn)];
    const dm = first ? dn : s.op("MatMul", [dn, ofCandidate]);
    const dGates = s.op("Concat", [dz, s.mul(dm, kr)], { axis: 1 });
    const through = s.mul(dm, r);
    const dState = s.op("Concat", [dGates, first ? through : dn], { axis: 1 });
    const parts = [
      ...(first ? [s.op("MatMul", [dState, whole])] : [through, s.op("MatMul", [dGates, ofGates])]),
      ...(beyond === undefined ? [] : [s.mul(dNext, beyond)]),
    ];
    const before = parts.reduce((sum, part) => s.add(sum, part), s.mul(dh, z));
    return { states: [before], outputs: [s.op("Concat", [dGates, dn], { axis: 1 }), dState] };
  };
}
