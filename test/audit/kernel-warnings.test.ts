import { describe, expect, test } from "vitest";
import { auditModel, type ModelAudit } from "../../src/audit/audit-model.ts";
import type { Emitter } from "../../src/ir/emit.ts";
import type { Dim } from "../../src/ir/model.ts";
import { ortCpu } from "../../src/quantization/targets/ort-cpu.ts";
import { tensorOfBytes } from "../../src/tensor/tensor.ts";
import { buildModel } from "../support/build-model.ts";
import { codesOf, dequantize, emitPair, emitWeight } from "../support/qdq-model.ts";

type Build = (emit: Emitter, x: string) => string;

function audit(input: readonly Dim[], build: Build): Promise<ModelAudit> {
  const model = buildModel({
    inputs: { x: input },
    outputs: [],
    build: (emit) => {
      emit.graph.outputs = [{ name: build(emit, "x"), type: undefined }];
    },
  });
  return auditModel(model, { target: ortCpu });
}

/** A convolution between quantizers. */
const conv =
  (weight: readonly number[], group = 1): Build =>
  (emit, x) =>
    emitPair(emit, emit.op("Conv", [emitPair(emit, x), emitWeight(emit, weight, { axis: 0 })], { group }));

/** What DynamicQuantizeLinear and an operator of integers make of a value. */
const dynamic =
  (op: "ConvInteger" | "MatMulInteger", weight: readonly number[], codes: number): Build =>
  (emit, x) => {
    const [q = "", , zero = ""] = emit.node("DynamicQuantizeLinear", [x], { outputCount: 3 });
    return emit.op(op, [q, emit.constant(codesOf("int8", weight, codes), "w"), zero]);
  };

describe("integer kernels that are slower than float ones", () => {
  test.each<[string, Dim[], Build, string | undefined]>([
    ["depthwise", ["N", 8, 6, 6], conv([8, 1, 3, 3], 8), undefined],
    ["depthwise with a multiplier", ["N", 8, 6, 6], conv([16, 1, 3, 3], 8), "multiplier"],
    ["groups of two channels", ["N", 8, 6, 6], conv([8, 2, 3, 3], 4), "groups of few"],
    ["groups of eight channels", ["N", 16, 6, 6], conv([16, 8, 3, 3], 2), undefined],
    ["three dimensions, few channels", ["N", 3, 5, 5, 5], conv([4, 3, 3, 3, 3]), "three dimensions"],
    ["three dimensions, many channels", ["N", 16, 5, 5, 5], conv([4, 16, 3, 3, 3]), undefined],
    ["three dimensions, depthwise", ["N", 4, 5, 5, 5], conv([4, 1, 3, 3, 3], 4), undefined],
    ["three dimensions, window of one", ["N", 3, 5, 5, 5], conv([4, 3, 1, 1, 1]), undefined],
    ["one input channel", ["N", 1, 6, 6], conv([8, 1, 3, 3]), undefined],
    ["dynamic", ["N", 4, 6, 6], dynamic("ConvInteger", [4, 4, 3, 3], 10), "dynamic quantization"],
  ])("Conv: %s", async (_, input, build, reason) => {
    const { slowNodes, integerMacs, totalMacs } = await audit(input, build);
    expect(integerMacs).toBe(totalMacs);
    expect(slowNodes.map((node) => node.reason)).toEqual(
      reason === undefined ? [] : [expect.stringContaining(reason)],
    );
  });

  test.each(["MaxPool", "AveragePool", "Softmax"])("%s", async (op) => {
    const attributes = op === "Softmax" ? {} : { kernel_shape: [2, 2] };
    const { slowNodes } = await audit(["N", 4, 8, 8], (e, x) =>
      emitPair(e, e.op(op, [emitPair(e, x)], attributes)),
    );
    expect(slowNodes.map((node) => node.op)).toEqual([op]);
  });

  test("a MaxPool behind a convolution has its channels last, and is fast", async () => {
    const { slowNodes, kernels } = await audit(["N", 4, 8, 8], (e, x) => {
      const y = conv([4, 4, 3, 3])(e, x);
      return conv([4, 4, 3, 3])(e, emitPair(e, e.op("MaxPool", [y], { kernel_shape: [2, 2] })));
    });
    expect(kernels["NhwcMaxPool"]).toBe(1);
    expect(slowNodes).toEqual([]);
  });
});

describe("weights whose products saturate without VNNI", () => {
  /** A weight of one scale with these codes. */
  const weight = (emit: Emitter, dims: number[], at: (index: number) => number, type: "int8" | "uint8") => {
    const { bytes } = codesOf(type, dims, at);
    return dequantize(emit, emit.constant(tensorOfBytes(type, dims, bytes), "codes"), {
      codes: type,
      zeroPoint: type === "uint8" ? 128 : 0,
    });
  };
  const matrix =
    (at: (index: number) => number, type: "int8" | "uint8" = "int8"): Build =>
    (emit, x) =>
      emitPair(emit, emit.op("MatMul", [emitPair(emit, x), weight(emit, [4, 2], at, type)]));

  test.each<[string, Dim[], Build, string | undefined]>([
    // Column 0 is [100, 20, 50, 60], column 1 [-100, 90, -70, -59].
    ["all pairs fit", ["N", 4], matrix((i) => [100, -100, 20, 90, 50, -70, 60, -58][i] ?? 0), undefined],
    ["one pair does not", ["N", 4], matrix((i) => [100, -100, 20, 90, 50, -70, 60, -59][i] ?? 0), "1 of 2"],
    ["uint8 weights are added exactly", ["N", 4], matrix(() => 255, "uint8"), undefined],
    ["depthwise kernels are exact", ["N", 8, 6, 6], conv([8, 1, 3, 3], 8), undefined],
    ["a QOperator product", ["N", 4], dynamic("MatMulInteger", [4, 3], -65), "3 of 3"],
    ["ConvInteger is exact", ["N", 4, 6, 6], dynamic("ConvInteger", [4, 4, 3, 3], 100), undefined],
  ])("%s", async (_, input, build, words) => {
    const { saturatingNodes } = await audit(input, build);
    expect(saturatingNodes.map(({ reason }) => reason)).toEqual(
      words === undefined ? [] : [expect.stringContaining(words)],
    );
  });

  test("of a convolution neighbours are channels at one tap", async () => {
    // Channels 0 and 1 of tap 0 are too large together; taps 0 and 1 of a channel never meet.
    const build =
      (large: readonly number[]): Build =>
      (emit, x) => {
        const w = weight(emit, [1, 2, 1, 2], (index) => (large.includes(index) ? 100 : 1), "int8");
        return emitPair(emit, emit.op("Conv", [emitPair(emit, x), w]));
      };
    expect((await audit(["N", 2, 4, 4], build([0, 2]))).saturatingNodes).toHaveLength(1);
    expect((await audit(["N", 2, 4, 4], build([0, 1]))).saturatingNodes).toEqual([]);
  });
});
