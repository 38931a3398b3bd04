import { stringOf } from "../../ir/attributes.ts";
import { floats } from "../../tensor/tensor.ts";
import { type NodeFacts, rule, type RuleContext } from "../rule.ts";

/**
 * Forward   y[out] = sum over the other letters of the product of the operands
 * Backward  dx[own] = sum over the letters not in x of dy and the other operands; letters that x alone has are repeated;
 *           where x has a letter twice, on the diagonal of those axes, zeros beside it
 */
export const einsum = rule(
  (c, dy) => {
    const { operands, output } = lettersOf(c);
    return operands.map((own, slot) =>
      c.wants(slot) ? operandGradient(c, dy, slot, own, { operands, output }) : null,
    );
  },
  {
    refuse: (c, slot) => {
      const { operands, output } = lettersOf(c);
      if (new Set(output).size !== output.length)
        return `the letters "${output}" of its output name an axis twice`;
      return operands[slot] === undefined ? "its equation has fewer operands" : undefined;
    },
  },
);

interface Letters {
  operands: string[];
  output: string;
}

/** Letters per operand; each axis of an ellipsis has a letter of its own. */
function lettersOf(c: NodeFacts): Letters {
  const equation = stringOf(c.node, "equation", "").replaceAll(" ", "");
  const [left = "", right] = equation.split("->");
  const terms = left.split(",");
  const spare = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"].filter(
    (letter) => !equation.includes(letter),
  );
  const widths = terms.map((term, slot) =>
    term.includes("...") ? c.input(slot).shape.length - (term.length - 3) : 0,
  );
  const widest = Math.max(0, ...widths);
  const ellipsis = spare.slice(0, widest).join("");
  const operands = terms.map((term, slot) =>
    term.replace("...", ellipsis.slice(widest - (widths[slot] ?? 0))),
  );
  const implicit = (): string => {
    const all = [...operands.join("").replaceAll(/[^a-zA-Z]/g, "")].filter(
      (letter) => !ellipsis.includes(letter),
    );
    const once = all.filter((letter) => all.indexOf(letter) === all.lastIndexOf(letter));
    return ellipsis + once.sort().join("");
  };
  return { operands, output: right === undefined ? implicit() : right.replace("...", ellipsis) };
}

function operandGradient(
  c: RuleContext,
  dy: string,
  slot: number,
  letters: string,
  { operands, output }: Letters,
): string {
  const { build: b } = c;
  const own = [...new Set(letters)];
  const shape = own.map((letter) => c.input(slot).shape[letters.indexOf(letter)] as number);
  const others = operands
    .map((each, i) => ({ letters: each, name: c.input(i).name }))
    .filter((_, i) => i !== slot);
  const known = new Set([output, ...others.map((each) => each.letters)].join(""));
  const kept = own.filter((letter) => known.has(letter));
  const equation = `${[output, ...others.map((each) => each.letters)].join()}->${kept.join("")}`;
  const product = b.op("Einsum", [dy, ...others.map(({ name }) => name)], { equation });
  // What x was broadcast along is summed; what it alone has is repeated.
  const sizes = sizesOf(c, { operands, output });
  const full = kept.map((letter) => sizes.get(letter) as number);
  const to = kept.map((letter) => shape[own.indexOf(letter)] as number);
  const summed = b.unbroadcast(product, full, to);
  const apart = shape.map((dim, axis) => (kept.includes(own[axis] as string) ? dim : 1));
  const whole =
    kept.length === own.length ? summed : b.op("Expand", [b.reshape(summed, apart), b.ints(shape)]);
  return own.length === letters.length ? whole : onDiagonal(c, whole, own, letters, c.input(slot).shape);
}

/** A value of axes `own` on the diagonals of the axes `letters`, some of which are the same. */
function onDiagonal(
  c: RuleContext,
  value: string,
  own: readonly string[],
  letters: string,
  shape: readonly number[],
): string {
  const { build: b } = c;
  const first = (axis: number): number => letters.indexOf(letters[axis] as string);
  const order = [...letters].filter((_, axis) => first(axis) === axis).map((letter) => own.indexOf(letter));
  const apart = shape.map((dim, axis) => (first(axis) === axis ? dim : 1));
  let result = b.reshape(b.transpose(value, order), apart);
  for (const [axis, size] of shape.entries()) {
    if (first(axis) === axis) continue;
    const places = shape.map((_, i) => (i === axis || i === first(axis) ? size : 1));
    const ones = Array.from({ length: size * size }, (_, i) => Number(i % (size + 1) === 0));
    result = b.mul(result, b.cast(b.emitter.constant(floats(ones, places)), c.input(0).dtype));
  }
  return result;
}

function sizesOf(c: RuleContext, { operands }: Letters): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const [slot, letters] of operands.entries())
    for (const [axis, letter] of [...letters].entries())
      sizes.set(letter, Math.max(sizes.get(letter) ?? 1, c.input(slot).shape[axis] as number));
  return sizes;
}
