import { intsOf } from "../../ir/attributes.ts";
import { linearRule, rule } from "../rule.ts";

/** Reshape, Flatten, Squeeze, Unsqueeze. Forward y = x in another shape;  backward dx = dy in x's shape */
export const reshaped = linearRule((c, dy) => [c.build.reshape(dy, c.input(0).shape)]);

/** Forward y = x with axes permuted;  backward dx = dy with the inverse permutation */
export const transpose = linearRule((c, dy) => {
  const rank = c.input(0).shape.length;
  const perm = intsOf(c.node, "perm") ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
  return [
    c.build.transpose(
      dy,
      perm.map((_, axis) => perm.indexOf(axis)),
    ),
  ];
});

/** Forward y = x repeated to a larger shape;  backward dx = dy summed over the repetitions */
export const expand = rule((_, dy) => [dy], { broadcasts: true });

/** Forward y = x;  backward dx = dy */
export const identity = linearRule((_, dy) => [dy]);

/** Forward y = x in another float type;  backward dx = dy in x's type */
export const cast = rule((c, dy) => [
  c.input(0).dtype === c.output().dtype ? dy : c.build.cast(dy, c.input(0).dtype),
]);

/** Forward y = x in the type of another value;  backward dx = dy in x's type */
export const castLike = rule(
  (c, dy) => [c.input(0).dtype === c.output().dtype ? dy : c.build.cast(dy, c.input(0).dtype)],
  { refuse: (_, slot) => (slot === 1 ? "only the type of its second input counts" : undefined) },
);

/** Forward (inference) y = x;  backward dx = dy */
export const dropout = linearRule((_, dy) => [dy], {
  refuse: (c) => (c.has(2) ? "it may run in training mode, with a random mask" : undefined),
});
