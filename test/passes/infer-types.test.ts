import { describe, expect, test } from "vitest";
import { createGraph, createValue } from "../../src/ir/graph.ts";
import { graphAttribute } from "../../src/ir/attributes.ts";
import { Emitter } from "../../src/ir/emit.ts";
import type { Model, TensorValueType } from "../../src/ir/model.ts";
import { verifyModel } from "../../src/ir/verify.ts";
import { inferTypes } from "../../src/passes/infer-types.ts";
import { pinBatch } from "../../src/passes/pin-batch.ts";
import { prepareModel, prepareOpen } from "../../src/passes/prepare.ts";
import { floats, ints, scalar, tensorOf, tensorOfBytes } from "../../src/tensor/tensor.ts";
import { buildModel } from "../support/build-model.ts";
import { expectSameOutputs } from "../support/pass-case.ts";
import { randomTensor } from "../support/random-tensor.ts";

const out = { outputs: ["y"] };
const shapes = (types: ReadonlyMap<string, TensorValueType>): Record<string, unknown> =>
  Object.fromEntries([...types].map(([name, type]) => [name, type.shape]));

/** Convolution, then a flattening whose target is computed from the batch, then a linear layer. */
function flattening(batch: number | string): Model {
  return buildModel({
    inputs: { x: [batch, 3, 8, 8] },
    outputs: ["y"],
    build(emit) {
      const c = emit.op(
        "Conv",
        ["x", emit.constant(randomTensor([4, 3, 3, 3], 1))],
        { strides: [2, 2] },
        { outputs: ["c"] },
      );
      const first = emit.op(
        "Gather",
        [emit.op("Shape", [c], {}, { outputs: ["s"] }), emit.constant(ints([0]))],
        {},
        { outputs: ["n"] },
      );
      const target = emit.op("Concat", [first, emit.constant(ints([-1]))], { axis: 0 }, { outputs: ["t"] });
      const flat = emit.op("Reshape", [c, target], {}, { outputs: ["f"] });
      // 2400 bytes stay in the probe; the convolution's neighbour of 5 kB is fed.
      emit.op("Gemm", [flat, emit.constant(randomTensor([36, 40], 2))], {}, out);
    },
  });
}

describe("inferTypes", () => {
  test("static shapes, also of values that only a run can tell", async () => {
    const types = await inferTypes(flattening(2));
    expect(shapes(types)).toEqual({
      x: [2, 3, 8, 8],
      c: [2, 4, 3, 3],
      s: [4],
      n: [1],
      t: [2],
      f: [2, 36],
      y: [2, 40],
    });
    expect(types.get("s")?.dtype).toBe("int64");
  });

  test("values that follow another one have its type: through quantizers, and of a constant", async () => {
    const model = buildModel({
      inputs: { x: ["N", 4] },
      outputs: ["y"],
      build(emit) {
        const [scale, zero] = [
          emit.constant(scalar(0.1)),
          emit.constant(tensorOf("int8", [], Int8Array.of(3))),
        ];
        const r = emit.op("Relu", ["x"], {}, { outputs: ["r"] });
        const q = emit.op("QuantizeLinear", [r, scale, zero], {}, { outputs: ["q"] });
        const d = emit.op("DequantizeLinear", [q, scale, zero], {}, { outputs: ["d"] });
        const w = emit.op("Tanh", [emit.constant(randomTensor([4, 5], 1))], {}, { outputs: ["w"] });
        emit.op("Sigmoid", [emit.op("MatMul", [d, w], {}, { outputs: ["m"] })], {}, out);
      },
    });
    const types = await inferTypes(model);
    const [wide, narrow] = [
      ["N", 4],
      ["N", 5],
    ];
    expect(shapes(types)).toEqual({ x: wide, r: wide, q: wide, d: wide, w: [4, 5], m: narrow, y: narrow });
    expect([...types.values()].map(({ dtype }) => dtype).filter((dtype) => dtype !== "float32")).toEqual([
      "int8",
    ]);
  });

  test("an open batch is a symbol, multiples of it too", async () => {
    const model = flattening("N");
    new Emitter(model.graph).op(
      "Reshape",
      ["c", new Emitter(model.graph).constant(ints([-1, 3]), "k")],
      {},
      { outputs: ["m"] },
    );
    const inferred = shapes(await inferTypes(model));
    expect(inferred).toMatchObject({
      x: ["N", 3, 8, 8],
      c: ["N", 4, 3, 3],
      f: ["N", 36],
      m: ["N*12", 3],
      y: ["N", 40],
    });
  });

  test("shapes given by the user pin or keep dimensions", async () => {
    const model = buildModel({
      inputs: { x: ["N", 3, "h", "w"] },
      outputs: ["y"],
      build: (emit) => void emit.op("GlobalMaxPool", ["x"], {}, out),
    });
    expect(shapes(await inferTypes(model, { inputShapes: { x: [-1, 3, 5, 5] } }))).toEqual({
      x: ["N", 3, 5, 5],
      y: ["N", 3, 1, 1],
    });
    expect(shapes(await inferTypes(model, { inputShapes: { x: [4, 3, 5, 5] } }))).toEqual({
      x: [4, 3, 5, 5],
      y: [4, 3, 1, 1],
    });
  });

  test("shapes that depend on data stay open, inner values of subgraphs are left out", async () => {
    const branch = (name: string): ReturnType<typeof createGraph> => {
      const graph = createGraph(name);
      graph.outputs = [{ name, type: undefined }];
      new Emitter(graph).op("Relu", ["x"], {}, { outputs: [name] });
      return graph;
    };
    const model = buildModel({
      inputs: { x: [3, 2], c: ["bool"] },
      outputs: ["z", "i"],
      build(emit) {
        emit.op("NonZero", ["x"], {}, { outputs: ["z"] });
        emit.op(
          "If",
          ["c"],
          { then_branch: graphAttribute(branch("a")), else_branch: graphAttribute(branch("b")) },
          { outputs: ["i"] },
        );
      },
    });
    expect(shapes(await inferTypes(model))).toEqual({ x: [3, 2], c: [], z: [2, undefined], i: [3, 2] });
  });

  test("empty tensors and a model of no nodes", async () => {
    const model = buildModel({
      inputs: { x: [0, 3] },
      outputs: ["y"],
      build: (emit) =>
        void emit.op("Concat", ["x", emit.constant(floats([1, 2, 3], [1, 3]))], { axis: 0 }, out),
    });
    expect(shapes(await inferTypes(model))).toEqual({ x: [0, 3], y: [1, 3] });
    const none = buildModel({ inputs: { x: [2] }, outputs: ["x"], build: () => undefined });
    expect(shapes(await inferTypes(none))).toEqual({ x: [2] });
  });

  test.each([
    ["a wrong name", { x: [1, 3] }, { z: [1, 3] }, "usage/input-shape", "Use one of these names"],
    ["a contradiction", { x: [1, 3] }, { x: [1, 4] }, "usage/input-shape", "that it leaves open"],
  ] as const)("%s is an error with a remedy", async (_name, inputs, inputShapes, code, hint) => {
    const model = buildModel({
      inputs,
      outputs: ["y"],
      build: (emit) => void emit.op("Relu", ["x"], {}, out),
    });
    await expect(inferTypes(model, { inputShapes })).rejects.toMatchObject({
      code,
      hint: expect.stringContaining(hint) as string,
    });
  });

  test("open sizes, halved and doubled again: a symbol only where every size agrees", async () => {
    const model = buildModel({
      inputs: { x: ["N", 1, "h", "w"] },
      outputs: ["y"],
      build(emit) {
        const half = emit.op(
          "MaxPool",
          ["x"],
          { kernel_shape: [2, 2], strides: [2, 2] },
          { outputs: ["half"] },
        );
        const scales = emit.constant(floats([1, 1, 2, 1]));
        emit.op("Resize", [half, "", scales], {}, { outputs: ["double"] });
        emit.op("Concat", ["x", "x"], { axis: 2 }, { outputs: ["pair"] });
        emit.op("Relu", ["x"], {}, out);
      },
    });
    expect(shapes(await inferTypes(model))).toMatchObject({
      x: ["N", 1, "h", "w"],
      y: ["N", 1, "h", "w"],
      pair: ["N", 1, "h*2", "w"],
      half: ["N", 1, undefined, undefined],
      double: ["N", 1, undefined, undefined],
    });
  });

  test("a batch on another axis, and first dimensions that are the same batch or something else", async () => {
    const model = buildModel({
      inputs: { state: [2, "batch", 4], x: ["rows", 4], mask: ["t", "t"], steps: ["batch", "t", 4] },
      outputs: ["y", "m"],
      build(emit) {
        const first = emit.op("Gather", ["state", emit.constant(ints([0], []))], { axis: 0 });
        emit.op("Add", [first, "x"], {}, out);
        emit.op("MatMul", ["mask", "steps"], {}, { outputs: ["m"] });
      },
    });
    expect(shapes(await inferTypes(model))).toMatchObject({
      state: [2, "batch", 4],
      x: ["batch", 4],
      mask: ["t", "t"],
      y: ["batch", 4],
      m: ["batch", "t", 4],
    });
  });
});

describe("prepareModel with open dimensions", () => {
  test("a batch that is only declared open is fixed, and said", async () => {
    const model = buildModel({
      inputs: { x: ["N", 4] },
      outputs: ["y"],
      build(emit) {
        const flat = emit.op("Reshape", ["x", emit.constant(ints([1, 4]))], {}, { name: "view" });
        emit.op("Gemm", [flat, emit.constant(randomTensor([4, 3], 1))], {}, out);
      },
    });
    const { model: prepared, frozen } = await prepareOpen(model, { sample: { x: randomTensor([1, 4], 3) } });
    expect(frozen).toMatchObject([
      { symbol: "N", size: 1, reason: expect.stringContaining("view") as string },
    ]);
    expect(prepared.graph.inputs[0]?.type).toMatchObject({ shape: [1, 4] });
  });

  test("a dimension that must stay a multiple is open all the same", async () => {
    const model = buildModel({
      inputs: { x: ["N", 1, "h", 4] },
      outputs: ["y"],
      build: (emit) => void emit.op("Reshape", ["x", emit.constant(ints([0, 8, -1, 4]))], {}, out),
    });
    const sample = { x: randomTensor([1, 1, 32, 4], 3) };
    const { model: prepared, frozen } = await prepareOpen(model, { sample });
    expect(frozen).toEqual([]);
    expect(prepared.graph.inputs[0]?.type).toMatchObject({ shape: ["N", 1, "h", 4] });
  });

  test("no size at all is an error that says what to give", async () => {
    const model = buildModel({
      inputs: { x: ["N", 3, "h", "w"] },
      outputs: ["y"],
      build: (emit) => void emit.op("Add", ["x", emit.constant(randomTensor([3, 91, 17], 1))], {}, out),
    });
    await expect(prepareModel(model)).rejects.toMatchObject({
      code: "model/open-shape",
      hint: expect.stringContaining("--input-shape x=1,3,224,224") as string,
    });
  });
});

describe("pinBatch", () => {
  test("makes every shape static and what follows from shapes constant", async () => {
    const model = await prepareModel(flattening("N"));
    expect(model.graph.inputs[0]?.type).toMatchObject({ shape: ["N", 3, 8, 8] });
    const pinned = await pinBatch(model, 5);
    verifyModel(pinned);
    expect(pinned.graph.nodes.map((node) => node.opType)).toEqual(["Conv", "Reshape", "Gemm"]);
    for (const value of [...pinned.graph.valueInfo.values(), ...pinned.graph.inputs, ...pinned.graph.outputs])
      expect(value.type).toMatchObject({ shape: expect.arrayContaining([5]) as number[] });
    await expectSameOutputs(model, pinned, { tolerance: 1e-6, batch: 5 });
  });

  test("an expansion to the batch becomes constant", async () => {
    const model = buildModel({
      inputs: { x: ["N", 2] },
      outputs: ["y"],
      build(emit) {
        const ones = emit.op("ConstantOfShape", [emit.op("Shape", ["x"])]);
        emit.op("Add", ["x", emit.op("Add", [ones, emit.constant(scalar(2))])], {}, out);
      },
    });
    const pinned = await pinBatch(await prepareModel(model), 3);
    expect(pinned.graph.nodes.map((node) => node.opType)).toEqual(["Add"]);
    await expectSameOutputs(model, pinned, { tolerance: 0, batch: 3 });
  });

  /** x [N, 2, 3] -> the sums so far of as many of its rows as `trips` counts, [trips, 2, 3], and their product with a weight. */
  const looping = (trips: (emit: Emitter) => string): Model =>
    buildModel({
      inputs: { x: ["N", 2, 3] },
      outputs: ["y"],
      build(emit) {
        const body = buildModel({
          inputs: { v: [2, 3] },
          outputs: ["w", "step"],
          build(inner) {
            inner.graph.inputs.unshift(createValue("i", "int64", []), createValue("go", "bool", []));
            inner.op("Identity", ["go"], {}, { outputs: ["on"] });
            const row = inner.op("Gather", ["x", "i"], {}, { outputs: ["row"] });
            inner.op("Add", ["v", row], {}, { outputs: ["w"] });
            inner.op("Identity", ["w"], {}, { outputs: ["step"] });
            inner.graph.outputs.unshift(createValue("on", "bool", []));
          },
        }).graph;
        const start = emit.constant(randomTensor([2, 3], 1));
        const go = emit.constant(tensorOfBytes("bool", [], Uint8Array.of(1)));
        const loop = { body: graphAttribute(body) };
        emit.op("Loop", [trips(emit), go, start], loop, { outputs: ["last", "steps"] });
        emit.op("MatMul", ["steps", emit.constant(randomTensor([3, 4], 2))], {}, out);
      },
    });
  const first = (emit: Emitter, value: string): string =>
    emit.op("Squeeze", [emit.op("Gather", [value, emit.constant(ints([0]))]), emit.constant(ints([0]))]);

  test.each([
    ["as many as rows", (emit: Emitter) => first(emit, emit.op("Shape", ["x"])), [4, 2, 4]],
    [
      "as many as the data say",
      (emit: Emitter) => emit.op("Cast", [emit.op("ReduceMax", ["x"], { keepdims: 0 })], { to: 7 }),
      undefined,
    ],
  ])("shapes behind a loop are measured where asked for: trips %s", async (_, trips, shape) => {
    const model = looping(trips);
    const known = async (runLoops: boolean): Promise<unknown> => {
      const { graph } = await pinBatch(model, 4, { open: true, runLoops });
      const [y] = graph.outputs;
      const dims = y?.type?.kind === "tensor" ? y.type.shape : undefined;
      return dims?.every((dim) => typeof dim === "number") === true ? dims : undefined;
    };
    expect(await known(false)).toBeUndefined();
    expect(await known(true)).toEqual(shape);
  });

  test("a shape that depends on data is an error that names the node", async () => {
    const model = buildModel({
      inputs: { x: [3, 2] },
      outputs: ["y"],
      build: (emit) => void emit.op("NonZero", ["x"], {}, { ...out, name: "nz" }),
    });
    await expect(pinBatch(model, 1)).rejects.toMatchObject({
      code: "model/data-dependent-shape",
      where: 'NonZero "nz"',
    });
  });
});
