import { expect, test } from "vitest";
import { GradientBuilder } from "../../src/lowering/gradient-builder.ts";
import { diagonal, onesAt } from "../../src/lowering/matrices.ts";
import { type Tensor, viewAs } from "../../src/tensor/tensor.ts";
import { buildModel } from "../support/build-model.ts";

test("a matrix has ones at its cells, zeros elsewhere; a cell named twice is a one as well", () => {
  const { graph } = buildModel({
    inputs: {},
    outputs: [],
    build(emit) {
      onesAt(new GradientBuilder(emit), [2, 3], [...diagonal(2), [0, 2], [0, 2]]);
    },
  });
  const [matrix] = graph.initializers.values() as Iterable<Tensor>;
  expect(matrix?.dims).toEqual([2, 3]);
  expect([...viewAs(matrix as Tensor, "float32")]).toEqual([1, 0, 1, 0, 1, 0]);
});
