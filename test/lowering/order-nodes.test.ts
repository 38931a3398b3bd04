import { expect, test } from "vitest";
import { verifyModel } from "../../src/ir/verify.ts";
import { orderNodes } from "../../src/lowering/order-nodes.ts";
import { buildModel } from "../support/build-model.ts";

test("ends come last, nearest to the loss at the very end; what the forward alone decides comes right behind it", () => {
  // A forward of two layers, a gradient chain, one weight gradient per layer and one mask, in the order of a
  // reverse pass: x -> a -> b -> loss, then db, gradient of b; mask of a, da, gradient of a.
  const model = buildModel({
    inputs: { x: [2] },
    outputs: ["loss", "grad.b", "grad.a"],
    build(emit) {
      const node = (opType: string, inputs: string[], output: string): void =>
        void emit.op(opType, inputs, {}, { outputs: [output] });
      node("Relu", ["x"], "a");
      node("Exp", ["a"], "b");
      node("ReduceSum", ["b"], "loss");
      node("Mul", ["loss", "b"], "db");
      node("Mul", ["db", "b"], "grad.b");
      node("Abs", ["a"], "mask");
      node("Mul", ["db", "mask"], "da");
      node("Mul", ["da", "a"], "grad.a");
    },
  });
  const ordered = orderNodes(model.graph, "loss");
  expect(ordered.nodes.flatMap(({ outputs }) => outputs)).toEqual([
    ...["a", "mask", "b", "loss", "db", "da"],
    ...["grad.a", "grad.b"],
  ]);
  verifyModel({ ...model, graph: ordered });
  expect(orderNodes(ordered, "loss").nodes.slice(0, 6)).toEqual(ordered.nodes.slice(0, 6));
});
