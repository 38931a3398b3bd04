import { describe, expect, test } from "vitest";
import { InternalError } from "../../src/errors.ts";
import { printModel } from "../../src/ir/print.ts";
import { verifyModel } from "../../src/ir/verify.ts";
import { loadModel } from "../../src/onnx/index.ts";
import { modelError } from "../../src/errors.ts";
import { definePass } from "../../src/passes/define-pass.ts";
import { optimizeBasic } from "../../src/passes/optimize-basic/optimize-basic.ts";
import { runPasses } from "../../src/passes/pipeline.ts";
import { prepareModel } from "../../src/passes/prepare.ts";
import { inferTypes } from "../../src/passes/infer-types.ts";
import { withTypes } from "../../src/passes/record-types.ts";
import { floats, tensorOf } from "../../src/tensor/tensor.ts";
import { buildModel } from "../support/build-model.ts";
import { checkPass, expectSameOutputs } from "../support/pass-case.ts";
import { randomTensor } from "../support/random-tensor.ts";

const out = { outputs: ["y"] };
const fixture = (name: string): string =>
  new URL(`../../fixtures/${name}/model.onnx`, import.meta.url).pathname;
const relu = buildModel({
  inputs: { x: [2] },
  outputs: ["y"],
  build: (emit) => void emit.op("Relu", ["x"], {}, out),
});

describe("prepareModel", () => {
  test.each(["resnet20", "mobilenetv3"])(
    "%s: same outputs, all types known, nothing left to do",
    async (name) => {
      const source = await loadModel(fixture(name));
      const prepared = await prepareModel(source);
      verifyModel(prepared);
      await expectSameOutputs(source, prepared, { tolerance: 1e-5, batch: 3 });
      const inner = prepared.graph.nodes.flatMap((node) => node.outputs);
      const outputs = new Set(prepared.graph.outputs.map((value) => value.name));
      for (const value of inner.filter((value) => !outputs.has(value)))
        expect(prepared.graph.valueInfo.get(value)?.type, value).toMatchObject({
          shape: expect.arrayContaining(["N"]) as string[],
        });
      expect(prepared.graph.outputs.map((value) => value.type)).toEqual([
        { kind: "tensor", dtype: "float32", shape: ["N", 10] },
      ]);
      expect(printModel(await prepareModel(prepared))).toBe(printModel(prepared));
      expect(printModel(await prepareModel(source))).toBe(printModel(prepared));
    },
  );

  test("an old model: defaults as inputs, normalisation, dropout and computed shapes", async () => {
    const source = buildModel({
      inputs: { x: ["N", 3, 6, 6], w: [4, 3, 3, 3] },
      outputs: ["y"],
      opset: 9,
      build(emit) {
        emit.graph.initializers.set("w", randomTensor([4, 3, 3, 3], 1));
        const parameters = [2, 3, 4, 5].map((seed) =>
          emit.constant(randomTensor([4], seed, 0.1), `bn${seed}`),
        );
        const normal = emit.op("BatchNormalization", [emit.op("Conv", ["x", "w"]), ...parameters]);
        const kept = emit.op("Dropout", [emit.op("Clip", [normal], { min: { type: "float", value: 0 } })]);
        emit.op("Softmax", [emit.op("Flatten", [kept])], {}, out);
      },
    });
    const prepared = await prepareModel(source);
    expect(prepared.graph.nodes.map((node) => node.opType)).toEqual(["Conv", "Clip", "Flatten", "Softmax"]);
    expect(prepared.opsets.get("")).toBe(13);
    await expectSameOutputs(source, prepared, { tolerance: 1e-6 });
  });

  test("weights that are not finite are refused with a remedy", async () => {
    const weights = tensorOf("float32", [3], Float32Array.of(1, NaN, Infinity));
    const broken = buildModel({
      inputs: { x: [3] },
      outputs: ["y"],
      build: (emit) => void emit.op("MatMul", ["x", emit.constant(weights, "w")], {}, out),
    });
    await expect(prepareModel(broken)).rejects.toMatchObject({
      code: "model/not-finite",
      where: "w",
      message: 'Weight "w" is not finite in 2 of its 3 elements; element 1 is NaN',
    });
  });

  test("a ring of nodes is named before anything runs", async () => {
    const ring = buildModel({
      inputs: { x: [3] },
      outputs: ["y"],
      build(emit) {
        emit.op("Add", ["x", "y"], {}, { outputs: ["sum"] });
        emit.op("Relu", ["sum"], {}, out);
      },
    });
    await expect(prepareModel(ring)).rejects.toMatchObject({ code: "model/cycle" });
  });
});

describe("optimize-basic", () => {
  test("fuses what follows a Conv; names, order and operators without a kernel stay", async () => {
    const built = buildModel({
      inputs: { x: ["N", 3, 6, 6] },
      outputs: ["y"],
      opset: 18,
      build(emit) {
        const w = emit.constant(randomTensor([4, 3, 3, 3], 1), "conv.weight");
        const b = emit.constant(randomTensor([4], 2), "conv.bias");
        const c = emit.op("Conv", ["x", w, b], {}, { name: "conv" });
        const scaled = emit.op(
          "Mul",
          [c, emit.constant(randomTensor([4, 1, 1], 3), "scale")],
          {},
          { name: "mul" },
        );
        const swish = emit.op("HardSwish", [scaled], {}, { name: "swish", outputs: ["s"] });
        emit.op("Add", [swish, emit.constant(floats([1]), "one")], {}, { ...out, name: "add" });
      },
    });
    const model = withTypes(built, await inferTypes(built));
    const { model: fused } = await checkPass({
      pass: optimizeBasic,
      model,
      golden: "optimize-basic",
      tolerance: 1e-6,
    });
    expect(fused.graph.nodes.map((node) => node.name)).toEqual(["conv", "swish", "add"]);
    expect(fused.graph.nodes[0]?.inputs).toEqual(["x", "conv.weight", "conv.bias"]);
    expect([...fused.opsets]).toEqual([["", 18]]);
  });

  test("returns the very model when there is nothing to do", async () => {
    const model = withTypes(relu, await inferTypes(relu));
    const { model: same } = await checkPass({
      pass: optimizeBasic,
      model,
      golden: "optimize-basic-nothing",
      tolerance: 0,
    });
    expect(same).toBe(model);
  });
});

describe("runPasses", () => {
  const nothing = definePass({ name: "nothing", run: (model) => model });
  const failing = (error: unknown): ReturnType<typeof definePass> =>
    definePass({
      name: "failing",
      run() {
        throw error;
      },
    });

  test("a user error goes through as it is", async () => {
    const cause = modelError("bad", "Something is wrong", "node", "Do that.");
    const error = await runPasses(relu, [nothing, failing(cause)]).catch((caught: unknown) => caught);
    expect(error).toBe(cause);
  });

  test("anything else is internal, and so is an unmet precondition", async () => {
    await expect(runPasses(relu, [failing(new TypeError("oops"))])).rejects.toThrow(InternalError);
    const picky = definePass({ name: "picky", precondition: () => "no types", run: (model) => model });
    await expect(runPasses(relu, [nothing, picky])).rejects.toThrow(
      'pass "picky" (after nothing) cannot run: no types',
    );
  });

  test("aborting stops between passes", async () => {
    const controller = new AbortController();
    const stop = definePass({
      name: "stop",
      run(model) {
        controller.abort(new Error("stopped"));
        return model;
      },
    });
    await expect(runPasses(relu, [stop, nothing], { signal: controller.signal })).rejects.toThrow("stopped");
  });
});
