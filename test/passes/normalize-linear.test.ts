import { expect, test } from "vitest";
import { float } from "../../src/ir/attributes.ts";
import type { Model } from "../../src/ir/model.ts";
import { inferTypes } from "../../src/passes/infer-types.ts";
import { normalizeLinear } from "../../src/passes/normalize-linear.ts";
import { prepareModel } from "../../src/passes/prepare.ts";
import { withTypes } from "../../src/passes/record-types.ts";
import { planQuantization } from "../../src/quantization/plan.ts";
import { floats, scalar } from "../../src/tensor/tensor.ts";
import { buildModel } from "../support/build-model.ts";
import { checkPass } from "../support/pass-case.ts";
import { randomTensor } from "../support/random-tensor.ts";

const typed = async (model: Model): Promise<Model> => withTypes(model, await inferTypes(model));

test("alpha and beta of a Gemm go into its constants, biases get one dimension", async () => {
  const model = buildModel({
    inputs: { x: ["n", 4] },
    outputs: ["a", "b", "c", "d", "e"],
    build(emit) {
      const weight = emit.constant(randomTensor([4, 3], 1), "w");
      const factors = { alpha: float(0.5), beta: float(-2) };
      const row = emit.constant(randomTensor([1, 3], 2), "row");
      // Both read w and row: each gets its own.
      emit.op("Gemm", ["x", weight, row], factors, { outputs: ["a"], name: "shared" });
      emit.op("Gemm", ["x", weight, row], { beta: float(3) }, { outputs: ["b"], name: "beta" });
      const own = emit.constant(randomTensor([3, 4], 3), "own");
      emit.op("Gemm", ["x", own], { ...factors, transB: 1 }, { outputs: ["c"], name: "no-bias" });
      const one = emit.constant(scalar(0.25), "one");
      emit.op("Gemm", ["x", weight, one], {}, { outputs: ["d"], name: "scalar" });
      const rows = emit.constant(randomTensor([2, 3], 4), "rows");
      emit.op("Gemm", ["x", weight, rows], { beta: float(2) }, { outputs: ["e"], name: "per-row" });
    },
  });
  await checkPass({
    pass: normalizeLinear,
    model: await typed(model),
    golden: "normalize-linear-gemm",
    tolerance: 1e-6,
  });
});

test("the constant added to a MatMul's product; one of more dimensions than the product stays", async () => {
  const model = buildModel({
    inputs: { x: ["n", 5, 4], z: ["n", 4] },
    outputs: ["a", "b", "c"],
    build(emit) {
      const weight = emit.constant(randomTensor([4, 3], 1), "w");
      const bias = (dims: number[]): string => emit.constant(randomTensor(dims, 2), "bias");
      emit.op("Add", [emit.op("MatMul", ["x", weight]), bias([1, 1, 3])], {}, { outputs: ["a"] });
      emit.op("Add", [bias([1, 3]), emit.op("MatMul", ["x", weight])], {}, { outputs: ["b"] });
      emit.op("Add", [emit.op("MatMul", ["z", weight]), bias([1, 1, 3])], {}, { outputs: ["c"] });
    },
  });
  await checkPass({
    pass: normalizeLinear,
    model: await typed(model),
    golden: "normalize-linear-add",
    tolerance: 0,
  });
});

test("a Gemm whose weight is computed keeps its alpha, with the reason", async () => {
  const model = buildModel({
    inputs: { x: [2, 4], w: [4, 3] },
    outputs: ["y"],
    build: (emit) =>
      void emit.op("Gemm", ["x", "w"], { alpha: float(0.5) }, { outputs: ["y"], name: "gemm" }),
  });
  const golden = "normalize-linear-refused";
  const { refusals } = await checkPass({
    pass: normalizeLinear,
    model: await typed(model),
    golden,
    tolerance: 0,
  });
  expect(refusals).toMatchObject([{ node: "gemm", reason: expect.stringContaining('"w"') as string }]);
});

test("all of them are quantized, with their biases", async () => {
  const model = buildModel({
    inputs: { x: ["n", 4] },
    outputs: ["y"],
    build(emit) {
      const first = emit.constant(randomTensor([4, 6], 1), "first");
      const a = emit.op("Gemm", ["x", first, emit.constant(randomTensor([1, 6], 2), "c")], {
        alpha: float(0.5),
      });
      const second = emit.constant(randomTensor([6, 3], 3), "second");
      const product = emit.op("MatMul", [emit.op("Relu", [a]), second]);
      emit.op("Add", [product, emit.constant(floats([1, 2, 3], [1, 3]), "d")], {}, { outputs: ["y"] });
    },
  });
  const plan = planQuantization(await prepareModel(model));
  expect(plan.weights).toHaveLength(2);
  expect(plan.biases).toHaveLength(2);
  expect(plan.float).toEqual([]);
});
