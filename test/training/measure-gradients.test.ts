import { expect, test } from "vitest";
import type { Batch } from "../../src/data/dataset.ts";
import type { Model } from "../../src/ir/model.ts";
import { floats, ints, viewAs } from "../../src/tensor/tensor.ts";
import type { TrainingStart } from "../../src/training/artifact.ts";
import { measureGradients, raceGraphs } from "../../src/training/measure-gradients.ts";
import { buildModel } from "../support/build-model.ts";

const start: TrainingStart = {
  state: new Map([["w", floats([1, 2, 3, 4], [4])]]),
  loss: { kind: "mse", terms: [], targets: [] },
  targets: [],
  outputs: [],
  sessionConfig: {},
};

/** Batches of x, all elements of one value each. */
const samplesOf = (values: readonly number[]) => ({
  teacher: buildModel({ inputs: { x: [4] }, outputs: ["x"], build: () => undefined }),
  session: { threads: 1 },
  batches: async function* (): AsyncGenerator<Batch> {
    for (const value of values)
      yield { size: 1, inputs: { x: floats(new Float32Array(4).fill(value), [4]) } };
  },
});

test("outputs are averaged over the batches", async () => {
  const model = buildModel({
    inputs: { x: [4], w: [4] },
    outputs: ["dot"],
    build: (emit) =>
      emit.op("ReduceSum", [emit.op("Mul", ["x", "w"])], { keepdims: 0 }, { outputs: ["dot"] }),
  });
  const found = await measureGradients(model, start, samplesOf([1, 2, 6]));
  expect([...found.means]).toEqual([["dot", 30]]);
  expect(Array.from(viewAs(found.first["dot"]!, "float32"))).toEqual([10]);
});

/** "Gradients" x·w^power; with `slow` after a detour that takes far longer and changes nothing. */
const gradientModel = (power: number, slow = false): Model =>
  buildModel({
    inputs: { x: [4], w: [4] },
    outputs: ["loss", "w.grad"],
    build(emit) {
      emit.op("ReduceSum", ["x"], { keepdims: 0 }, { outputs: ["loss"] });
      let w = "w";
      if (slow) {
        const large = emit.constant(floats(new Float32Array(512 * 512), [512, 512]));
        let product = large;
        for (let i = 0; i < 50; i++)
          product = emit.op("MatMul", [emit.op("Add", [product, emit.op("ReduceSum", ["x"])]), large]);
        w = emit.op("Add", ["w", emit.op("ReduceSum", [product], { keepdims: 0 })]);
      }
      const exponent = emit.constant(floats([power], []));
      emit.op("Mul", ["x", emit.op("Pow", [w, exponent])], {}, { outputs: ["w.grad"] });
    },
  });

test("a graph that is clearly faster is found; gradients that point elsewhere lose, however fast they are", async () => {
  const [exact, same, other] = [gradientModel(1, true), gradientModel(1), gradientModel(-2)];
  expect(await raceGraphs({ models: [exact, same], likely: 0 }, start, samplesOf([1]))).toBe(1);
  expect(await raceGraphs({ models: [exact, other], likely: 0 }, start, samplesOf([1]))).toBe(0);
  expect(await raceGraphs({ models: [exact, other, same], likely: 0 }, start, samplesOf([1]))).toBe(2);
  expect(await raceGraphs({ models: [exact, other], likely: 1 }, start, samplesOf([1]))).toBe(0);
});

test("of graphs that are about as fast the likely one is taken, whichever it is", async () => {
  const models = [gradientModel(1), gradientModel(1)];
  for (const likely of [0, 1, 0, 1])
    expect(await raceGraphs({ models, likely }, start, samplesOf([1]))).toBe(likely);
});

test("a graph that ONNX Runtime does not load loses; that the most exact one does not is an error", async () => {
  const [exact, same, broken] = [gradientModel(1, true), gradientModel(1), gradientModel(1)];
  for (const node of broken.graph.nodes) node.opType = "NoSuchOperator";
  expect(await raceGraphs({ models: [exact, broken, same], likely: 0 }, start, samplesOf([1]))).toBe(2);
  await expect(
    raceGraphs({ models: [broken, exact], likely: 0 }, start, samplesOf([1])),
  ).rejects.toMatchObject({
    code: "model/runtime-load",
  });
});

test("one weight whose gradient points elsewhere is enough to lose", async () => {
  const model = (turned: boolean): Model =>
    buildModel({
      inputs: { x: [4], w: [4] },
      outputs: ["loss", "a.grad", "b.grad", "c.grad"],
      build(emit) {
        emit.op("ReduceSum", ["x"], { keepdims: 0 }, { outputs: ["loss"] });
        for (const name of ["a", "b", "c"]) {
          const sign = emit.constant(floats([turned && name === "b" ? -1 : 1], []));
          const gradient = emit.op("Mul", [emit.op("Mul", ["x", "w"]), sign]);
          const rows = emit.constant(ints([2, 2]));
          emit.op("Reshape", [gradient, rows], {}, { outputs: [`${name}.grad`] });
        }
      },
    });
  for (let time = 0; time < 3; time++)
    expect(await raceGraphs({ models: [model(false), model(true)], likely: 0 }, start, samplesOf([1]))).toBe(
      0,
    );
});
