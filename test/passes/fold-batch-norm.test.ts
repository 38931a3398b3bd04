import { expect, test } from "vitest";
import type { Emitter } from "../../src/ir/emit.ts";
import type { Model } from "../../src/ir/model.ts";
import { createContext, type Refusal } from "../../src/passes/define-pass.ts";
import { foldBatchNorm } from "../../src/passes/fold-batch-norm/fold-batch-norm.ts";
import { lowerBatchNorm } from "../../src/passes/fold-batch-norm/lower-batch-norm.ts";
import { inferTypes } from "../../src/passes/infer-types.ts";
import { withTypes } from "../../src/passes/record-types.ts";
import { buildModel } from "../support/build-model.ts";
import { checkPass } from "../support/pass-case.ts";
import { randomTensor } from "../support/random-tensor.ts";

const tolerance = 2e-6;

function constant(emit: Emitter, name: string, dims: number[], seed: number, low = -1): string {
  return emit.constant(randomTensor(dims, seed, low), name);
}

function batchNorm(
  emit: Emitter,
  x: string,
  channels: number,
  options: { output?: string; attributes?: object } = {},
): string {
  const parameters = ["gamma", "beta", "mean"].map((part, i) =>
    constant(emit, `bn.${part}`, [channels], 50 + i),
  );
  const variance = constant(emit, "bn.variance", [channels], 60, 0.1);
  return emit.op(
    "BatchNormalization",
    [x, ...parameters, variance],
    { ...options.attributes },
    {
      name: "bn",
      outputs: [options.output ?? "y"],
    },
  );
}

async function typed(model: Model): Promise<Model> {
  return withTypes(model, await inferTypes(model));
}

test("into the Conv before it, whose bias and weight keep their names", async () => {
  const model = buildModel({
    inputs: { x: ["N", 3, 6, 6] },
    outputs: ["y"],
    build(emit) {
      const [w, b] = [constant(emit, "conv.weight", [8, 3, 3, 3], 1), constant(emit, "conv.bias", [8], 2)];
      const c = emit.op("Conv", ["x", w, b], { pads: [1, 1, 1, 1] }, { name: "conv", outputs: ["c"] });
      batchNorm(emit, c, 8);
    },
  });
  const { model: folded } = await checkPass({
    pass: foldBatchNorm,
    model,
    golden: "fold-batch-norm-conv",
    tolerance,
  });
  expect(folded.graph.nodes.map((node) => node.inputs)).toEqual([["x", "conv.weight", "conv.bias"]]);
});

test("into a depthwise Conv without a bias, which takes over the name of the shift", async () => {
  const model = buildModel({
    inputs: { x: ["N", 4, 5] },
    outputs: ["y"],
    build(emit) {
      const w = constant(emit, "conv.weight", [8, 1, 3], 3);
      batchNorm(emit, emit.op("Conv", ["x", w], { group: 4 }, { name: "conv" }), 8);
    },
  });
  const { model: folded } = await checkPass({
    pass: foldBatchNorm,
    model,
    golden: "fold-batch-norm-depthwise",
    tolerance,
  });
  expect(folded.graph.nodes[0]?.inputs).toEqual(["x", "conv.weight", "bn.beta"]);
});

test.each([1, 2])("into a ConvTranspose of %d groups", async (group) => {
  const model = buildModel({
    inputs: { x: ["N", 4, 5, 5] },
    outputs: ["y"],
    build(emit) {
      const w = constant(emit, "weight", [4, 6 / group, 3, 3], 4);
      batchNorm(emit, emit.op("ConvTranspose", ["x", w], { group, strides: [2, 2] }), 6);
    },
  });
  await checkPass({
    pass: foldBatchNorm,
    model,
    golden: `fold-batch-norm-conv-transpose-${group}`,
    tolerance,
  });
});

test.each([0, 1])("into a Gemm with transB %d, alpha, beta and a row as bias", async (transB) => {
  const model = buildModel({
    inputs: { x: ["N", 5] },
    outputs: ["y"],
    build(emit) {
      const w = constant(emit, "weight", transB ? [7, 5] : [5, 7], 5);
      const c = constant(emit, "bias", [1, 7], 6);
      const attributes = {
        transB,
        alpha: { type: "float", value: 0.5 },
        beta: { type: "float", value: 2 },
      } as const;
      batchNorm(emit, emit.op("Gemm", ["x", w, c], attributes), 7);
    },
  });
  await checkPass({ pass: foldBatchNorm, model, golden: `fold-batch-norm-gemm-${transB}`, tolerance });
});

test("into a MatMul, which becomes a Gemm", async () => {
  const model = await typed(
    buildModel({
      inputs: { x: ["N", 5] },
      outputs: ["y"],
      build(emit) {
        batchNorm(emit, emit.op("MatMul", ["x", constant(emit, "weight", [5, 7], 7)]), 7);
      },
    }),
  );
  await checkPass({ pass: foldBatchNorm, model, golden: "fold-batch-norm-mat-mul", tolerance });
});

test("into the Conv behind it, where that does not pad, in groups", async () => {
  const model = buildModel({
    inputs: { x: ["N", 4, 6, 6] },
    outputs: ["z"],
    build(emit) {
      const y = batchNorm(emit, "x", 4);
      emit.op("Conv", [y, constant(emit, "weight", [6, 2, 3, 3], 8)], { group: 2 }, { outputs: ["z"] });
    },
  });
  await checkPass({ pass: foldBatchNorm, model, golden: "fold-batch-norm-before-conv", tolerance });
});

test.each([0, 1])("into the Gemm behind it, transB %d", async (transB) => {
  const model = await typed(
    buildModel({
      inputs: { x: ["N", 4] },
      outputs: ["z"],
      build(emit) {
        const y = batchNorm(emit, "x", 4);
        const [w, b] = [
          constant(emit, "weight", transB ? [3, 4] : [4, 3], 9),
          constant(emit, "bias", [3], 10),
        ];
        emit.op("Gemm", [y, w, b], { transB, alpha: { type: "float", value: 0.25 } }, { outputs: ["z"] });
      },
    }),
  );
  await checkPass({ pass: foldBatchNorm, model, golden: `fold-batch-norm-before-gemm-${transB}`, tolerance });
});

test("a weight that another layer shares is copied, not changed", async () => {
  const model = buildModel({
    inputs: { x: ["N", 3, 6, 6] },
    outputs: ["y", "other"],
    build(emit) {
      const w = constant(emit, "weight", [3, 3, 3, 3], 11);
      batchNorm(emit, emit.op("Conv", ["x", w], {}, { name: "first" }), 3);
      emit.op("Conv", ["x", w], {}, { name: "second", outputs: ["other"] });
    },
  });
  const { model: folded } = await checkPass({
    pass: foldBatchNorm,
    model,
    golden: "fold-batch-norm-shared",
    tolerance,
  });
  expect(folded.graph.initializers.get("weight")).toBe(model.graph.initializers.get("weight"));
});

test("refusals say why: padding behind it, readers of the value before it, training", async () => {
  const model = await typed(
    buildModel({
      inputs: { x: ["N", 3, 6, 6] },
      outputs: ["z", "c"],
      build(emit) {
        const w = constant(emit, "weight", [3, 3, 3, 3], 12);
        emit.op("Conv", ["x", w], {}, { name: "first", outputs: ["c"] });
        const y = batchNorm(emit, "c", 3);
        emit.op("Conv", [y, w], { pads: [1, 1, 1, 1] }, { name: "second", outputs: ["z"] });
      },
    }),
  );
  const { refusals, model: same } = await checkPass({
    pass: foldBatchNorm,
    model,
    golden: "fold-batch-norm-refused",
    tolerance: 0,
  });
  expect(same).toBe(model);
  expect(refusals).toEqual([
    {
      pass: "fold-batch-norm",
      node: "bn",
      op: "BatchNormalization",
      reason: 'its input "c" is read elsewhere; "second" pads its input',
    },
  ]);
  const { model: lowered } = await checkPass({
    pass: lowerBatchNorm,
    model,
    golden: "lower-batch-norm",
    tolerance,
  });
  expect(lowered.graph.nodes.map((node) => node.opType)).toEqual(["Conv", "Mul", "Add", "Conv"]);
});

test("a normalisation in training mode stays", async () => {
  const model = buildModel({
    inputs: { x: ["N", 3] },
    outputs: ["y"],
    build: (emit) => void batchNorm(emit, "x", 3, { attributes: { training_mode: 1 } }),
  });
  const refusals: Refusal[] = [];
  expect(await foldBatchNorm.run(model, createContext("fold-batch-norm", refusals))).toBe(model);
  expect(refusals.map((refusal) => refusal.reason)).toEqual(["it is in training mode"]);
});
