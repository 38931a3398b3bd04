import { intOf } from "../../../ir/attributes.ts";
import type { RuleContext } from "../../rule.ts";
import { slice } from "../axes.ts";
import type { Direction } from "./direction.ts";
import { type Gate, type GateActivation, GateEmitter } from "./gate-activations.ts";
import { scanSteps } from "./scan-steps.ts";
import { splitGates, type StepProducts } from "./step-products.ts";

/** Weights of the cell state in the sums of the gates, [hidden] each; no `forget` where that gate follows the other. */
export interface Peepholes {
  input: string;
  output: string;
  forget?: string;
}

/** The gates of an LSTM at all steps, [steps, batch, hidden], and the cell states before and after each. */
export interface Gates {
  input: Gate;
  output: Gate;
  /** undefined: 1 - input */
  forget: Gate | undefined;
  candidate: Gate;
  /** The activation of the cell state that the output gate lets through. */
  squashed: Gate;
  before: string;
  after: string;
}

/** Computes the gates again from the hidden states that the forward gave. */
export function gatesOf(
  c: RuleContext,
  d: Direction,
  products: StepProducts,
  peepholes: Peepholes | undefined,
): Gates {
  const { build: b } = c;
  const terms = [products.byRows(d.x, d.w), products.byRows(d.previous, d.r), ...(d.biases ?? [])];
  const whole = terms.reduce((left, right) => b.add(left, right));
  const [ofInput = "", ofOutput = "", ofForget = "", ofCandidate = ""] = splitGates(
    b,
    whole,
    2,
    4,
    d.sizes.hidden,
  );
  const [f, g, k] = d.activations as [GateActivation, GateActivation, GateActivation];
  const emitter = new GateEmitter(b, c.node, c.input(0).dtype);
  const coupled = intOf(c.node, "input_forget", 0) === 1;
  const candidate = emitter.gate(g, ofCandidate);
  const sums = { input: ofInput, forget: coupled ? undefined : ofForget };
  const after =
    peepholes === undefined
      ? plainCells(c, d, sums, candidate)
      : peepedCells(c, d, sums, candidate, peepholes);
  const before = shifted(c, d, after);
  const peeped = (sum: string, states: string, weight: string | undefined): string =>
    weight === undefined ? sum : b.add(sum, b.mul(states, weight));
  return {
    input: emitter.gate(f, peeped(ofInput, before, peepholes?.input)),
    output: emitter.gate(f, peeped(ofOutput, after, peepholes?.output)),
    forget: coupled ? undefined : emitter.gate(f, peeped(ofForget, before, peepholes?.forget)),
    candidate,
    squashed: emitter.gate(k, after, false),
    before,
    after,
  };
}

interface GateSums {
  input: string;
  forget: string | undefined;
}

/** c = f*c' + i*g where the gates are known of all steps. */
function plainCells(c: RuleContext, d: Direction, sums: GateSums, candidate: Gate): string {
  const { build: b } = c;
  const { dtype } = c.input(0);
  const shape = [d.sizes.batch, d.sizes.hidden];
  const emitter = new GateEmitter(b, c.node, dtype);
  const activation = d.activations[0] as GateActivation;
  const input = emitter.gate(activation, sums.input).value;
  const forget =
    sums.forget === undefined
      ? b.sub(b.scalar(1, dtype), input)
      : emitter.gate(activation, sums.forget).value;
  const inputs = [forget, b.mul(input, candidate.value)].map((value) => ({ value, shape }));
  return scanSteps(b, {
    dtype,
    backwards: false,
    inputs,
    outputs: [shape],
    states: [{ value: d.cell, shape }],
    step: (s, [before = ""], [f = "", added = ""]) => {
      const after = s.add(s.mul(f, before), added);
      return { states: [after], outputs: [after] };
    },
  }).stacked[0] as string;
}

/** The same where the gates depend on the cell state before. */
function peepedCells(
  c: RuleContext,
  d: Direction,
  sums: GateSums,
  candidate: Gate,
  peepholes: Peepholes,
): string {
  const { dtype } = c.input(0);
  const shape = [d.sizes.batch, d.sizes.hidden];
  const activation = d.activations[0] as GateActivation;
  const { input, forget } = sums;
  const inputs = [candidate.value, input, ...(forget === undefined ? [] : [forget])];
  return scanSteps(c.build, {
    dtype,
    backwards: false,
    outputs: [shape],
    states: [{ value: d.cell, shape }],
    inputs: inputs.map((value) => ({ value, shape })),
    step: (s, [before = ""], [g = "", ofInput = "", ofForget]) => {
      const emitter = new GateEmitter(s, c.node, dtype);
      const i = emitter.gate(activation, s.add(ofInput, s.mul(before, peepholes.input))).value;
      const f =
        ofForget === undefined || peepholes.forget === undefined
          ? s.sub(s.scalar(1, dtype), i)
          : emitter.gate(activation, s.add(ofForget, s.mul(before, peepholes.forget))).value;
      const after = s.add(s.mul(f, before), s.mul(i, g));
      return { states: [after], outputs: [after] };
    },
  }).stacked[0] as string;
}

/** The state before each step, from that after each and the one at the start. */
function shifted(c: RuleContext, { cell, sizes }: Direction, after: string): string {
  const { build: b } = c;
  const { steps, batch, hidden } = sizes;
  const first = b.reshape(cell, [1, batch, hidden]);
  return steps === 1 ? first : b.op("Concat", [first, slice(c, after, 0, 0, steps - 1)], { axis: 0 });
}
