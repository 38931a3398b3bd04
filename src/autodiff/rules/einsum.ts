import { stringOf } from "../../ir/attributes.ts";
import { type NodeFacts, rule, type RuleContext } from "../rule.ts";

/**
 * Forward   y[out] = sum over the other letters of the product of the operands
 * Backward  dx[own] = sum over the letters not in x of dy and the other operands; letters that x alone has are repeated
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
      const twice = [...operands, output].find((letters) => new Set(letters).size !== letters.length);
      if (twice !== undefined) return `the letters "${twice}" name an axis twice`;
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
  own: string,
  { operands, output }: Letters,
): string {
  const { build: b } = c;
  const { shape } = c.input(slot);
  const others = operands
    .map((letters, i) => ({ letters, name: c.input(i).name }))
    .filter((_, i) => i !== slot);
  const known = new Set([output, ...others.map(({ letters }) => letters)].join(""));
  const kept = [...own].filter((letter) => known.has(letter)).join("");
  const equation = `${[output, ...others.map(({ letters }) => letters)].join()}->${kept}`;
  const product = b.op("Einsum", [dy, ...others.map(({ name }) => name)], { equation });
  // What x was broadcast along is summed; what it alone has is repeated.
  const sizes = sizesOf(c, { operands, output });
  const full = [...kept].map((letter) => sizes.get(letter) as number);
  const to = [...kept].map((letter) => shape[own.indexOf(letter)] as number);
  const summed = b.unbroadcast(product, full, to);
  if (kept.length === own.length) return summed;
  const apart = b.reshape(
    summed,
    shape.map((dim, axis) => (kept.includes(own[axis] as string) ? dim : 1)),
  );
  return b.op("Expand", [apart, b.ints(shape)]);
}

function sizesOf(c: RuleContext, { operands }: Letters): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const [slot, letters] of operands.entries())
    for (const [axis, letter] of [...letters].entries())
      sizes.set(letter, Math.max(sizes.get(letter) ?? 1, c.input(slot).shape[axis] as number));
  return sizes;
}
