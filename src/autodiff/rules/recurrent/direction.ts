import { stringOf } from "../../../ir/attributes.ts";
import { ints } from "../../../tensor/tensor.ts";
import type { RuleContext } from "../../rule.ts";
import { reversed, slice } from "../axes.ts";
import type { GateActivation } from "./gate-activations.ts";

/** Sizes of a recurrent layer. */
export interface LayerSizes {
  steps: number;
  batch: number;
  hidden: number;
  directions: number;
}

/** One direction of a recurrent layer, its steps in the order in which it takes them. */
export interface Direction {
  sizes: LayerSizes;
  activations: readonly GateActivation[];
  /** [steps, batch, input] */
  x: string;
  /** The hidden state in front of each step, [steps, batch, hidden]. */
  previous: string;
  /** [gates*hidden, input] and [gates*hidden, hidden] */
  w: string;
  r: string;
  /** Biases of x's and of the state's products, [gates*hidden] each. */
  biases: readonly [string, string] | undefined;
  /** Cell states at the start, [batch, hidden], and the peepholes' weights, [3*hidden] (LSTM). */
  cell: string;
  peepholes: string | undefined;
  /** Gradients of the hidden states, [steps, batch, hidden], of the last one and of the last cell state, [batch, hidden]. */
  dy: string;
  dLast: string;
  dCellLast: string;
  /** 1 for the steps that a sequence has, 0 beyond its end, [steps, batch, 1]; undefined where all have all. */
  kept: string | undefined;
}

/** What a cell makes of a direction: gradients under the names that the direction has. */
export interface DirectionGradients {
  /** Of x · wᵀ and of previous · rᵀ, [steps, batch, gates*hidden]. */
  dInput: string;
  dState: string;
  dr: () => string;
  /** Of the states at the start. */
  dStart: string;
  dCell?: string;
  dPeepholes?: () => string;
}

/** Gradients of one kind of recurrent layer. */
export type Cell = (c: RuleContext, direction: Direction) => DirectionGradients;

/** Inputs of the operators that a direction reads. */
export const slots = { x: 0, w: 1, r: 2, b: 3, lengths: 4, start: 5, cell: 6, peepholes: 7 } as const;

/** The hidden states of all directions, [steps, directions, batch, hidden], and their gradients. */
export interface LayerValues {
  y: string;
  /** Gradients of Y, Y_h and Y_c. */
  dys: readonly (string | undefined)[];
}

/** Reads one direction of a layer. */
export function readDirection(
  c: RuleContext,
  sizes: LayerSizes,
  index: number,
  { y, dys }: LayerValues,
): Omit<Direction, "activations"> {
  const { build: b } = c;
  const { steps, batch, hidden, directions } = sizes;
  const part = (value: string, axis: number, shape: readonly number[]): string =>
    b.reshape(directions === 1 ? value : slice(c, value, axis, index, index + 1), shape);
  const own = (slot: number, shape: readonly number[]): string | undefined =>
    c.has(slot) ? part(c.input(slot).name, 0, shape) : undefined;
  const zeros = (shape: readonly number[]): string =>
    b.op("Expand", [b.scalar(0, c.input(0).dtype), b.ints(shape)]);
  const state = [batch, hidden];
  const all = [steps, ...state];
  const start = own(slots.start, state) ?? zeros(state);
  const ordered = (value: string): string => inOrder(c, value, index);
  const states = ordered(part(y, 1, all));
  const before = slice(c, states, 0, 0, steps - 1);
  const biases = own(slots.b, [2, -1]);
  const half = (value: string, at: number): string => b.reshape(slice(c, value, 0, at, at + 1), [-1]);
  const kept = keptSteps(c, sizes);
  const [dy, dLast, dCell] = dys.map((value, i) =>
    value === undefined ? undefined : part(value, i === 0 ? 1 : 0, i === 0 ? all : state),
  );
  const dStates = dy === undefined ? zeros(all) : ordered(dy);
  return {
    sizes,
    x: ordered(c.input(slots.x).name),
    previous:
      steps === 1
        ? b.reshape(start, all)
        : b.op("Concat", [b.reshape(start, [1, ...state]), before], { axis: 0 }),
    w: own(slots.w, c.input(slots.w).shape.slice(1)) as string,
    r: own(slots.r, c.input(slots.r).shape.slice(1)) as string,
    biases: biases === undefined ? undefined : [half(biases, 0), half(biases, 1)],
    cell: own(slots.cell, state) ?? zeros(state),
    peepholes: own(slots.peepholes, [3 * hidden]),
    dy: kept === undefined ? dStates : b.mul(dStates, kept),
    dLast: dLast ?? zeros(state),
    dCellLast: dCell ?? zeros(state),
    kept,
  };
}

/** Steps of a direction from their order in time to that in which it takes them, and back. */
export function inOrder(c: RuleContext, value: string, index: number): string {
  if (!goesBackwards(c, index)) return value;
  if (!c.has(slots.lengths)) return reversed(c, value, 0);
  const lengths = c.build.cast(c.input(slots.lengths).name, "int64");
  return c.build.op("ReverseSequence", [value, lengths], { time_axis: 0, batch_axis: 1 });
}

function goesBackwards({ node }: RuleContext, index: number): boolean {
  const direction = stringOf(node, "direction", "forward");
  return direction === "reverse" || (direction === "bidirectional" && index === 1);
}

function keptSteps(c: RuleContext, { steps, batch }: LayerSizes): string | undefined {
  if (!c.has(slots.lengths)) return undefined;
  const { build: b } = c;
  const positions = b.emitter.constant(
    ints(
      Array.from({ length: steps }, (_, i) => i),
      [steps, 1, 1],
    ),
  );
  const lengths = b.reshape(b.cast(c.input(slots.lengths).name, "int64"), [1, batch, 1]);
  return b.indicator(b.op("Less", [positions, lengths]), c.input(0).dtype);
}
