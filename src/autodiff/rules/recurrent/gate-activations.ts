import type { Attribute, Node } from "../../../ir/model.ts";
import { float, floatOf } from "../../../ir/attributes.ts";
import type { DataType } from "../../../tensor/data-type.ts";
import type { GradientBuilder } from "../../../lowering/gradient-builder.ts";

/** An activation of a recurrent layer, with the numbers that its definition calls alpha and beta. */
export interface GateActivation {
  kind: ActivationKind;
  alpha: number;
  beta: number;
}

/** What an activation is computed with. */
interface Emitting {
  b: GradientBuilder;
  number(value: number): string;
  /** 1 where a > b, 0 elsewhere. */
  greater(a: string, b: string): string;
}

interface ActivationRow {
  /** Defaults of alpha and beta, where the activation has them. */
  defaults: readonly number[];
  value(e: Emitting, x: string, activation: GateActivation): string;
  /** dy/dx, from x and y. */
  slope(e: Emitting, x: string, y: string, activation: GateActivation): string;
}

/** low where x <= at, 1 where x > at. */
const stepsAt = (e: Emitting, x: string, at: number, low: number): string => {
  const above = e.greater(x, e.number(at));
  return low === 0 ? above : e.b.add(e.b.mul(above, e.number(1 - low)), e.number(low));
};
const attributes = (values: Record<string, number>): Record<string, Attribute> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, float(value)]));

/** The activations that ONNX lists for LSTM, GRU and RNN. */
const rows = {
  /** alpha*x + beta */
  Affine: {
    defaults: [1, 0],
    value: (e, x, { alpha, beta }) => e.b.add(e.b.mul(x, e.number(alpha)), e.number(beta)),
    slope: (e, x, _y, { alpha }) => e.b.op("Expand", [e.number(alpha), e.b.op("Shape", [x])]),
  },
  Elu: {
    defaults: [1],
    value: (e, x, { alpha }) => e.b.op("Elu", [x], attributes({ alpha })),
    // min(y, 0) + alpha where x <= 0, 1 where x > 0
    slope: (e, x, y, { alpha }) => e.b.add(e.b.op("Min", [y, e.number(0)]), stepsAt(e, x, 0, alpha)),
  },
  HardSigmoid: {
    defaults: [0.2, 0.5],
    value: (e, x, { alpha, beta }) => e.b.op("HardSigmoid", [x], attributes({ alpha, beta })),
    slope: (e, _x, y, { alpha }) =>
      e.b.mul(e.b.mul(e.greater(y, e.number(0)), e.greater(e.number(1), y)), e.number(alpha)),
  },
  LeakyRelu: {
    defaults: [0.01],
    value: (e, x, { alpha }) => e.b.op("LeakyRelu", [x], attributes({ alpha })),
    slope: (e, x, _y, { alpha }) => stepsAt(e, x, 0, alpha),
  },
  Relu: {
    defaults: [],
    value: (e, x) => e.b.op("Relu", [x]),
    slope: (e, x) => stepsAt(e, x, 0, 0),
  },
  /** alpha*tanh(beta*x) */
  ScaledTanh: {
    defaults: [1, 1],
    value: (e, x, { alpha, beta }) => e.b.mul(e.b.op("Tanh", [e.b.mul(x, e.number(beta))]), e.number(alpha)),
    slope: (e, _x, y, { alpha, beta }) =>
      e.b.sub(e.number(alpha * beta), e.b.mul(e.b.mul(y, y), e.number(beta / alpha))),
  },
  Sigmoid: {
    defaults: [],
    value: (e, x) => e.b.op("Sigmoid", [x]),
    slope: (e, _x, y) => e.b.mul(y, e.b.sub(e.number(1), y)),
  },
  Softplus: {
    defaults: [],
    value: (e, x) => e.b.op("Softplus", [x]),
    slope: (e, x) => e.b.op("Sigmoid", [x]),
  },
  Softsign: {
    defaults: [],
    value: (e, x) => e.b.op("Softsign", [x]),
    slope: (e, _x, y) => {
      const rest = e.b.sub(e.number(1), e.b.op("Abs", [y]));
      return e.b.mul(rest, rest);
    },
  },
  Tanh: {
    defaults: [],
    value: (e, x) => e.b.op("Tanh", [x]),
    slope: (e, _x, y) => e.b.sub(e.number(1), e.b.mul(y, y)),
  },
  ThresholdedRelu: {
    defaults: [1],
    value: (e, x, { alpha }) => e.b.op("ThresholdedRelu", [x], attributes({ alpha })),
    slope: (e, x, _y, { alpha }) => stepsAt(e, x, alpha, 0),
  },
} satisfies Readonly<Record<string, ActivationRow>>;

export type ActivationKind = keyof typeof rows;

/** The activations of a node, `fallback` where it names none; the name of one that ONNX does not have. */
export function activationsOf(node: Node, fallback: readonly ActivationKind[]): GateActivation[] | string {
  const [alphas, betas] = [floatsOf(node, "activation_alpha"), floatsOf(node, "activation_beta")];
  const names = node.attributes.get("activations");
  const given =
    names?.type === "strings" ? names.value.map((name) => new TextDecoder().decode(name)) : fallback;
  const found: GateActivation[] = [];
  for (const name of given) {
    const kind = kindOf(name);
    if (kind === undefined) return name;
    const [alpha, beta] = rows[kind].defaults as readonly number[];
    // Values are listed for those activations alone that take them.
    found.push({
      kind,
      alpha: alpha === undefined ? 1 : (alphas.shift() ?? alpha),
      beta: beta === undefined ? 0 : (betas.shift() ?? beta),
    });
  }
  return found;
}

const kindOf = (name: string): ActivationKind | undefined =>
  (Object.keys(rows) as ActivationKind[]).find((kind) => kind.toLowerCase() === name.toLowerCase());

function floatsOf(node: Node, name: string): number[] {
  const attribute = node.attributes.get(name);
  return attribute?.type === "floats" ? [...attribute.value] : [];
}

/** What a gate gives for the sum that flows into it, and the derivative by that sum. */
export interface Gate {
  value: string;
  slope(): string;
}

/** Emits gates of a node, whose `clip` bounds the sums that flow into them. */
export class GateEmitter {
  readonly #b: GradientBuilder;
  readonly #dtype: DataType;
  readonly #clip: number;

  constructor(b: GradientBuilder, node: Node, dtype: DataType) {
    this.#b = b;
    this.#dtype = dtype;
    this.#clip = floatOf(node, "clip", 0);
  }

  /** A gate of a sum; `bounds`: by the node's `clip`, as all but the activation of an LSTM's cell state are. */
  gate(activation: GateActivation, sum: string, bounds = true): Gate {
    const b = this.#b;
    const row: ActivationRow = rows[activation.kind];
    const e: Emitting = {
      b,
      number: (value) => b.scalar(value, this.#dtype),
      greater: (left, right) => b.indicator(b.op("Greater", [left, right]), this.#dtype),
    };
    const bounded =
      bounds && this.#clip > 0 ? b.op("Clip", [sum, e.number(-this.#clip), e.number(this.#clip)]) : sum;
    const value = row.value(e, bounded, activation);
    return {
      value,
      slope: () => {
        const slope = row.slope(e, bounded, value, activation);
        if (bounded === sum) return slope;
        return b.mul(slope, b.indicator(b.op("Equal", [sum, bounded]), this.#dtype));
      },
    };
  }
}
