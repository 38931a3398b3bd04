import { intOf, stringOf } from "../../ir/attributes.ts";
import { ints } from "../../tensor/tensor.ts";
import { type NodeFacts, rule, type RuleContext } from "../rule.ts";
import { axisOf } from "./axes.ts";

/** Opset from which scattered values can be added up. */
const addOpset = 16;

/** Forward y = slices of x at the indices' tuples;  backward dx = dy added at those tuples */
export const gatherND = rule(
  (c, dy) => [c.build.op("ScatterND", [zerosLike(c, 0), wholeTuples(c), dy], { reduction: "add" })],
  {
    refuse: (c) =>
      c.opset < addOpset
        ? `it may pick an element twice, which needs opset ${addOpset} to differentiate`
        : undefined,
  },
);

/** The indices' tuples with the positions along the batch dimensions in front, which GatherND leaves out. */
function wholeTuples(c: RuleContext): string {
  const { build: b } = c;
  const { name, shape } = c.input(1);
  const batch = intOf(c.node, "batch_dims", 0);
  if (batch === 0) return name;
  const outer = shape.slice(0, -1);
  const positions = shape.slice(0, batch).map((size, axis) => {
    const along = outer.map((_, i) => (i === axis ? size : 1));
    const values = ints(
      Array.from({ length: size }, (__, i) => i),
      [...along, 1],
    );
    return b.op("Expand", [b.emitter.constant(values), b.ints([...outer, 1])]);
  });
  return b.op("Concat", [...positions, name], { axis: -1 });
}

/** How a scattering operator puts values into data and takes them out again, at the node's indices. */
interface Scattering {
  put: (data: string, updates: string, reduction?: string) => string;
  take: (data: string) => string;
}

/**
 * Forward   y = data, into which updates u are put at indices along an axis, added, multiplied, or taken where larger or
 *           smaller
 * Backward  put: ddata = dy with zeros at those places;  added: ddata = dy;  both: du = dy at those places
 *           multiplied: ddata = dy*p, du = dy*(y without this u), p the product of the updates of a place
 *           largest, smallest: to those of data and updates that are y, in equal shares
 */
export const scatterElements = scatterRule((c) => {
  const { build: b } = c;
  const axis = axisOf(c, 0);
  const indices = c.input(1).name;
  return {
    put: (data, updates, reduction) => b.op("ScatterElements", [data, indices, updates], { axis, reduction }),
    take: (data) => b.op("GatherElements", [data, indices], { axis }),
  };
});

/** Forward and backward as ScatterElements, at tuples of indices */
export const scatterND = scatterRule((c) => {
  const { build: b } = c;
  const indices = c.input(1).name;
  return {
    put: (data, updates, reduction) => b.op("ScatterND", [data, indices, updates], { reduction }),
    take: (data) => b.op("GatherND", [data, indices]),
  };
});

function scatterRule(scatteringOf: (c: RuleContext) => Scattering) {
  return rule(
    (c, dy) => {
      const scattering = scatteringOf(c);
      const [ddata, du] = gradients[reductionOf(c)](c, dy, scattering);
      return [c.wants(0) ? ddata() : null, null, c.wants(2) ? du() : null];
    },
    {
      refuse: (c) =>
        reductionOf(c) !== "none" && c.opset < addOpset
          ? `its gradient adds up at places, which needs opset ${addOpset}`
          : undefined,
    },
  );
}

type Reduction = "none" | "add" | "mul" | "max" | "min";

function reductionOf({ node }: NodeFacts): Reduction {
  const reduction = stringOf(node, "reduction", "none");
  return reduction === "add" || reduction === "mul" || reduction === "max" || reduction === "min"
    ? reduction
    : "none";
}

/** Gradients of data and updates. */
type Gradients = (c: RuleContext, dy: string, scattering: Scattering) => [() => string, () => string];

/** Zeros among the updates are counted: where a place has exactly one, only that update has a gradient. */
const productGradients: Gradients = (c, dy, { put, take }) => {
  const { build: b } = c;
  const { dtype } = c.input(0);
  const [data, updates] = [c.input(0).name, c.input(2).name];
  const number = (value: number): string => b.scalar(value, dtype);
  const isZero = b.op("Equal", [updates, number(0)]);
  const zero = b.indicator(isZero, dtype);
  const others = b.op("Where", [isZero, number(1), updates]);
  const ones = b.op("Expand", [number(1), b.ints(c.input(0).shape)]);
  const product = put(ones, others, "mul");
  const zeros = put(zerosLike(c, 0), zero, "add");
  const none = (count: string): string => b.indicator(b.op("Less", [count, number(0.5)]), dtype);
  return [
    () => b.mul(dy, b.mul(product, none(zeros))),
    () => {
      const rest = b.div(take(b.mul(dy, b.mul(data, product))), others);
      return b.mul(rest, none(b.sub(take(zeros), zero)));
    },
  ];
};

const extremeGradients: Gradients = (c, dy, { put, take }) => {
  const { build: b } = c;
  const { dtype } = c.input(0);
  const y = c.output().name;
  const own = b.indicator(b.op("Equal", [c.input(0).name, y]), dtype);
  const given = b.indicator(b.op("Equal", [c.input(2).name, take(y)]), dtype);
  const share = b.div(dy, put(own, given, "add"));
  return [() => b.mul(share, own), () => b.mul(take(share), given)];
};

function zerosLike(c: RuleContext, slot: number): string {
  return c.build.op("Expand", [c.build.scalar(0, c.input(0).dtype), c.build.ints(c.input(slot).shape)]);
}

const gradients: Readonly<Record<Reduction, Gradients>> = {
  none: (c, dy, { put, take }) => [() => put(dy, zerosLike(c, 2)), () => take(dy)],
  add: (_, dy, { take }) => [() => dy, () => take(dy)],
  mul: productGradients,
  max: extremeGradients,
  min: extremeGradients,
};
