import { float, floatOf } from "../../ir/attributes.ts";
import type { Composite, WrittenOut } from "./composite.ts";

/** The sum of x, skip and bias, normalised; the sum is the fourth output. */
export function skipLayerNormalization(c: Composite): WrittenOut {
  if (c.gives(1) || c.gives(2)) return { refused: "its statistics are used" };
  const sum = summed(c, 4);
  return [normalized(c, sum, c.input(2), c.input(3), 1e-12), undefined, undefined, sum];
}

/** The same by root mean square alone, without a bias behind it. */
export function skipSimplifiedLayerNormalization(c: Composite): WrittenOut {
  if (c.gives(1) || c.gives(2)) return { refused: "its statistics are used" };
  const sum = summed(c, 3);
  return [byPower(c, sum, c.input(2), floatOf(c.node, "epsilon", 1e-12)), undefined, undefined, sum];
}

/** x/sqrt(mean x^2 + eps) * scale over the last axis. */
export function simplifiedLayerNormalization(c: Composite): WrittenOut {
  if (c.gives(1)) return { refused: "its statistics are used" };
  return [byPower(c, c.input(0), c.input(1), floatOf(c.node, "epsilon", 1e-5))];
}

/** Word, position and segment embeddings added up and normalised. */
export function embedLayerNormalization(c: Composite): WrittenOut {
  const rows = (table: number, ids: string): string => c.op("Gather", [c.input(table), ids], { axis: 0 });
  const words = rows(2, c.input(0));
  const length = (): string => c.op("Gather", [c.op("Shape", [c.input(0)]), c.ints([1])], { axis: 0 });
  const positions = c.has(8)
    ? rows(3, c.input(8))
    : c.op("Slice", [c.input(3), c.ints([0]), length(), c.ints([0])]);
  const sum = c.add(words, positions);
  const whole = c.has(1) && c.has(4) ? c.add(sum, rows(4, c.input(1))) : sum;
  return [normalized(c, whole, c.input(5), c.input(6), 1e-12), c.gives(1) ? keptCounts(c) : undefined, whole];
}

/** How many positions of each sample the mask keeps; zeros without a mask. */
function keptCounts(c: Composite): string {
  const values = c.op("Cast", [c.input(c.has(7) ? 7 : 0)], { to: 6 });
  const counts = c.op("ReduceSum", [values, c.ints([1])], { keepdims: 0 });
  return c.has(7) ? counts : c.op("Sub", [counts, counts]);
}

function summed(c: Composite, biasSlot: number): string {
  const sum = c.add(c.input(0), c.input(1));
  return c.has(biasSlot) ? c.add(sum, c.input(biasSlot)) : sum;
}

function normalized(c: Composite, x: string, scale: string, bias: string, fallback: number): string {
  const inputs = bias === "" ? [x, scale] : [x, scale, bias];
  return c.op("LayerNormalization", inputs, {
    axis: -1,
    epsilon: float(floatOf(c.node, "epsilon", fallback)),
  });
}

function byPower(c: Composite, x: string, scale: string, epsilon: number): string {
  const square = c.mul(x, x);
  const mean =
    c.opset < 18 ? c.op("ReduceMean", [square], { axes: [-1] }) : c.op("ReduceMean", [square, c.ints([-1])]);
  const root = c.op("Sqrt", [c.add(mean, c.number(epsilon))]);
  return c.mul(c.op("Div", [x, root]), scale);
}
