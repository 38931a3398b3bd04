import { intOf } from "../../../ir/attributes.ts";
import { type GradientRule, type NodeFacts, type RuleContext, type SlotGradients } from "../../rule.ts";
import {
  type Cell,
  type DirectionGradients,
  inOrder,
  type Direction,
  type LayerSizes,
  readDirection,
  slots,
} from "./direction.ts";
import { type ActivationKind, activationsOf, type GateActivation } from "./gate-activations.ts";
import { gruCell } from "./gru.ts";
import { lstmCell } from "./lstm.ts";
import { rnnCell } from "./rnn.ts";
import { StepProducts } from "./step-products.ts";

/** See lstmCell. */
export const lstm = recurrentRule(lstmCell, ["Sigmoid", "Tanh", "Tanh"]);
/** See gruCell. */
export const gru = recurrentRule(gruCell, ["Sigmoid", "Tanh"]);
/** See rnnCell. */
export const rnn = recurrentRule(rnnCell, ["Tanh"]);

/**
 * A layer that goes through a sequence, each direction for itself. The forward stays the operator that it is; a Scan
 * goes back through the steps, so that the graph is as large for a thousand steps as for one, and all products that do
 * not depend on the step before are made of all steps at once.
 */
function recurrentRule(cell: Cell, activations: readonly ActivationKind[]): GradientRule {
  return {
    refuse: (c) => refuse(c, activations),
    backward: (c, dys) => {
      const sizes = sizesOf(c);
      const { outputs, inputs, attributes, opType } = c.node;
      const y =
        (outputs[0] ?? "") === ""
          ? c.build.op(opType, inputs, Object.fromEntries(attributes))
          : c.output().name;
      const all = activationsOf(c.node, repeated(activations, sizes.directions)) as GateActivation[];
      const directions = Array.from({ length: sizes.directions }, (_, index) => {
        const own = all.slice(index * activations.length, (index + 1) * activations.length);
        const direction = { ...readDirection(c, sizes, index, { y, dys }), activations: own };
        return { direction, gradients: cell(c, direction) };
      });
      return layerGradients(c, directions);
    },
  };
}

interface Solved {
  direction: Direction;
  gradients: DirectionGradients;
}

/** Gradients of the node's inputs from those of its directions. */
function layerGradients(c: RuleContext, solved: readonly Solved[]): SlotGradients {
  const { build: b } = c;
  const { sizes } = solved[0]!.direction;
  const products = new StepProducts(b, sizes);
  const stacked = (slot: number, of: (each: Solved) => string): string | null => {
    if (!c.wants(slot)) return null;
    const [, ...rest] = c.input(slot).shape;
    const parts = solved.map((each) => b.reshape(of(each), [1, ...rest]));
    return parts.length === 1 ? parts[0]! : b.op("Concat", parts, { axis: 0 });
  };
  const ofX = (): string =>
    solved
      .map(({ direction, gradients }, index) =>
        inOrder(c, products.byColumns(gradients.dInput, direction.w), index),
      )
      .reduce((left, right) => b.add(left, right));
  const ofBiases = ({ gradients: { dInput, dState } }: Solved): string =>
    b.op("Concat", [b.sum(dInput, [0, 1]), b.sum(dState, [0, 1])], { axis: 0 });
  const gradients: (string | null)[] = [];
  gradients[slots.x] = c.wants(slots.x) ? ofX() : null;
  gradients[slots.w] = stacked(slots.w, ({ direction, gradients: { dInput } }) =>
    products.sum(dInput, direction.x),
  );
  gradients[slots.r] = stacked(slots.r, ({ gradients: { dr } }) => dr());
  gradients[slots.b] = stacked(slots.b, ofBiases);
  gradients[slots.lengths] = null;
  gradients[slots.start] = stacked(slots.start, ({ gradients: { dStart } }) => dStart);
  gradients[slots.cell] = stacked(slots.cell, ({ gradients: { dCell } }) => dCell!);
  gradients[slots.peepholes] = stacked(slots.peepholes, ({ gradients: { dPeepholes } }) => dPeepholes!());
  return gradients;
}

function sizesOf(c: RuleContext): LayerSizes {
  const [steps = 1, batch = 1] = c.input(slots.x).shape;
  const [directions = 1, , hidden = 1] = c.input(slots.r).shape;
  return { steps, batch, hidden, directions };
}

const repeated = <Item>(list: readonly Item[], times: number): Item[] =>
  new Array<readonly Item[]>(times).fill(list).flat();

function refuse(c: NodeFacts, activations: readonly ActivationKind[]): string | undefined {
  if (intOf(c.node, "layout", 0) !== 0) return "the batch is its first axis, which ONNX Runtime does not run";
  const [directions = 1] = c.input(slots.r).shape;
  const wanted = repeated(activations, directions);
  const found = activationsOf(c.node, wanted);
  if (typeof found === "string") return `its activation "${found}" is not one of ONNX's`;
  return found.length === wanted.length
    ? undefined
    : `it names ${found.length} activations where it has ${wanted.length}`;
}
