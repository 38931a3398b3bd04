import { describe, expect, test } from "vitest";
import type { Emitter } from "../../src/ir/emit.ts";
import type { Model } from "../../src/ir/model.ts";
import { dataTypes } from "../../src/tensor/data-type.ts";
import { prepareModel } from "../../src/passes/prepare.ts";
import { planQuantization } from "../../src/quantization/plan.ts";
import type { QuantizationPlan } from "../../src/quantization/types.ts";
import { withSession } from "../../src/runtime/open-model.ts";
import { addNoise, decibelsOf } from "../../src/tensor/agreement.ts";
import { floats, ints, scalar, type Tensor, viewAs } from "../../src/tensor/tensor.ts";
import { buildModel } from "../support/build-model.ts";
import { quantizeCase, tensorDataset } from "../support/quantize-case.ts";
import { randomTensor } from "../support/random-tensor.ts";
import { saturates } from "../support/saturation.ts";

const tokens = 6;
const width = 16;

/** Single-head attention over [n, 6, 16]; `mask` puts a mask into the scores [n, 6, 6]. */
function attention(
  mask: (emit: Emitter, scores: string) => string,
  inputs: Parameters<typeof buildModel>[0]["inputs"] = {},
): Model {
  return buildModel({
    inputs: { x: ["n", tokens, width], ...inputs },
    outputs: ["y"],
    build(emit) {
      const linear = (x: string, seed: number): string =>
        emit.op("MatMul", [x, emit.constant(randomTensor([width, width], seed, -0.5, 0.5), "w")]);
      const [q = "", k = "", v = ""] = [1, 2, 3].map((seed) => linear("x", seed));
      const scores = emit.op("MatMul", [q, emit.op("Transpose", [k], { perm: [0, 2, 1] })]);
      const scaled = emit.op("Mul", [scores, emit.constant(scalar(0.25))]);
      const weights = emit.op("Softmax", [mask(emit, scaled)], { axis: -1 }, { name: "softmax" });
      const mixed = linear(emit.op("MatMul", [weights, v]), 4);
      emit.op("Identity", [mixed], {}, { outputs: ["y"] });
    },
  });
}

/** Upper triangle of `value`. */
const causal = (value: number): Tensor =>
  floats(
    Array.from({ length: tokens * tokens }, (_, i) => (i % tokens > Math.floor(i / tokens) ? value : 0)),
    [tokens, tokens],
  );

async function sqnr(model: Model): Promise<number> {
  const x = randomTensor([16, tokens, width], 7, -2, 2);
  const { exported } = await quantizeCase(model, tensorDataset({ x }));
  const run = (source: Model): Promise<Record<string, Tensor>> =>
    withSession(source, { threads: 1, exactKernels: saturates }, (session) => session.run({ x }));
  const sums = { signal: 0, noise: 0 };
  const [expected, found] = [await run(model), await run(exported.model)];
  addNoise(sums, viewAs(expected["y"] as Tensor, "float32"), viewAs(found["y"] as Tensor, "float32"));
  return decibelsOf(sums);
}

const planOf = async (model: Model): Promise<QuantizationPlan> => planQuantization(await prepareModel(model));

/** Operators left in float because of a mask. */
const masked = ({ float }: QuantizationPlan): string[] =>
  float.filter(({ reason }) => reason.includes("masked")).map(({ op }) => op);

describe("an additive mask in front of a Softmax", () => {
  test.each([
    ["-1e4", -1e4],
    ["float32's lowest", -3.4028234663852886e38],
    ["-Infinity", -Infinity],
    ["-100, as Swin has it", -100],
  ])("%s: over 30 dB, Add and Softmax read floats", async (_name, value) => {
    const model = attention((emit, scores) => emit.op("Add", [scores, emit.constant(causal(value))]));
    expect(masked(await planOf(model))).toEqual(["Add", "Softmax"]);
    expect(await sqnr(model)).toBeGreaterThan(30);
  });

  test("a mask made of integers, as encoders do it", async () => {
    const model = attention(
      (emit, scores) => {
        const float = emit.op("Cast", ["attention_mask"], { to: dataTypes.float32.code });
        const wide = emit.op("Unsqueeze", [float, emit.constant(ints([1]))]);
        const inverse = emit.op("Sub", [emit.constant(scalar(1)), wide]);
        return emit.op("Add", [scores, emit.op("Mul", [inverse, emit.constant(scalar(-1e4))])]);
      },
      { attention_mask: ["int64", "n", tokens] },
    );
    expect(masked(await planOf(model))).toEqual(["Add", "Softmax"]);
  });

  test("a Where with a huge constant, and a Reshape on the way to the Softmax", async () => {
    const model = attention(
      (emit, scores) => {
        const condition = emit.op("Cast", ["keep"], { to: dataTypes.bool.code });
        const where = emit.op("Where", [condition, scores, emit.constant(scalar(-1e9))]);
        return emit.op("Transpose", [where], { perm: [0, 2, 1] });
      },
      { keep: ["int64", tokens, tokens] },
    );
    expect(masked(await planOf(model))).toEqual(["Where", "Transpose", "Softmax"]);
  });

  test("a Where that makes the mask: its infinite constants are never quantized", async () => {
    const model = attention(
      (emit, scores) => {
        const condition = emit.op("Cast", ["keep"], { to: dataTypes.bool.code });
        const branches = [emit.constant(scalar(0)), emit.constant(scalar(-Infinity))];
        return emit.op("Add", [scores, emit.op("Where", [condition, ...branches])]);
      },
      { keep: ["int64", tokens, tokens] },
    );
    const plan = await planOf(model);
    expect(masked(plan)).toEqual(["Add", "Softmax"]);
    expect(plan.activations.filter(({ constant }) => constant)).toEqual([]);
  });

  test("a mask that the caller gives as floats", async () => {
    const model = attention((emit, scores) => emit.op("Add", [scores, "mask"]), { mask: [tokens, tokens] });
    expect(masked(await planOf(model))).toEqual(["Add", "Softmax"]);
  });
});

describe("no mask", () => {
  test("a table of relative positions is quantized as ever", async () => {
    const bias = randomTensor([tokens, tokens], 9, -3, 3);
    const model = attention((emit, scores) => emit.op("Add", [scores, emit.constant(bias)]));
    expect((await planOf(model)).float).toEqual([]);
  });

  test("positions looked up by the graph, added to the scores", async () => {
    const model = attention(
      (emit, scores) => {
        const table = emit.constant(randomTensor([8, tokens], 9, -3, 3));
        return emit.op("Add", [scores, emit.op("Gather", [table, "positions"])]);
      },
      { positions: ["int64", tokens] },
    );
    expect(masked(await planOf(model))).toEqual([]);
  });

  test("an infinite constant elsewhere stays float, and so does what reads it", async () => {
    const limits = floats([...Array<number>(15).fill(1), Infinity], [16]);
    const model = attention((emit, scores) => {
      const least = emit.op("Where", [emit.op("IsNaN", [scores]), emit.constant(scalar(0)), scores]);
      const bounded = emit.op("Mul", ["x", emit.constant(limits)], {}, { name: "scale" });
      emit.op("MatMul", [bounded, emit.constant(randomTensor([16, 4], 5), "v")], {}, { outputs: ["z"] });
      emit.graph.outputs.push({ name: "z", type: undefined });
      return least;
    });
    expect((await planOf(model)).float).toContainEqual({
      node: "scale",
      op: "Mul",
      reason: expect.stringContaining("NaN or infinity") as string,
    });
  });

  test("a huge constant that is added where no Softmax follows", async () => {
    const model = buildModel({
      inputs: { x: ["n", 8] },
      outputs: ["y"],
      build(emit) {
        const w = emit.constant(randomTensor([8, 8], 1, -0.5, 0.5), "w");
        const shifted = emit.op("Add", [emit.op("MatMul", ["x", w]), emit.constant(floats([-1e4], [1, 1]))]);
        emit.op("MatMul", [emit.op("Relu", [shifted]), w], {}, { outputs: ["y"] });
      },
    });
    expect(masked(await planOf(model))).toEqual([]);
  });
});
