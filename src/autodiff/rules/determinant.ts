import { elementCount, floats, ints } from "../../tensor/tensor.ts";
import { rule } from "../rule.ts";

/** Elements of all minors of one matrix that the gradient may take. */
const largestMinors = 2 ** 20;

/** Forward y = det a;  backward da_ij = dy*(-1)^(i+j) * det(a without row i and column j), singular or not */
export const determinant = rule(
  (c, dy) => {
    const { build: b } = c;
    const { shape, dtype } = c.input(0);
    const size = shape.at(-1) as number;
    const outer = shape.slice(0, -2);
    const scaled = (cofactors: string): string => b.mul(b.reshape(dy, [...outer, 1, 1]), cofactors);
    if (size === 1) return [b.reshape(dy, shape)];
    const others = Array.from({ length: size }, (_, i) =>
      Array.from({ length: size - 1 }, (__, k) => k + Number(k >= i)),
    ).flat();
    const kept = b.emitter.constant(ints(others, [size, size - 1]));
    const rank = outer.length;
    // [.., i, rows but i, j, columns but j]
    const rows = b.op("Gather", [c.input(0).name, kept], { axis: rank });
    const columns = b.op("Gather", [rows, kept], { axis: rank + 2 });
    const axes = outer.map((_, axis) => axis);
    const minors = b.transpose(columns, [...axes, rank, rank + 2, rank + 1, rank + 3]);
    const flat = b.reshape(minors, [elementCount(outer) * size * size, size - 1, size - 1]);
    const signs = Array.from({ length: size * size }, (_, i) =>
      (Math.floor(i / size) + (i % size)) % 2 === 0 ? 1 : -1,
    );
    const sign = b.cast(b.emitter.constant(floats(signs, [size, size])), dtype);
    return [scaled(b.mul(b.reshape(b.op("Det", [flat]), shape), sign))];
  },
  {
    refuse: (c) => {
      const size = c.input(0).shape.at(-1) as number;
      return size ** 2 * (size - 1) ** 2 > largestMinors ? "its matrix has too many minors" : undefined;
    },
  },
);
