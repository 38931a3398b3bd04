import { describe, expect, test } from "vitest";
import type { Emitter } from "../../src/ir/emit.ts";
import type { Model } from "../../src/ir/model.ts";
import { prepareOpen } from "../../src/passes/prepare.ts";
import { floatLayers, keepBits, keptRanges } from "../../src/quantization/keep-quantizers.ts";
import type { PlanOptions } from "../../src/quantization/options.ts";
import { computeState } from "../../src/quantization/parameters.ts";
import { planQuantization } from "../../src/quantization/plan.ts";
import type { QuantizationState } from "../../src/quantization/types.ts";
import { ints, scalar } from "../../src/tensor/tensor.ts";
import { buildModel } from "../support/build-model.ts";
import { emitConv, quantizeCase, randomDataset } from "../support/quantize-case.ts";
import { randomTensor } from "../support/random-tensor.ts";

/** Convolutions with a Relu, a Relu6 and a residual sum, a pool and a classifier with a bias. */
const network = (): Model =>
  buildModel({
    inputs: { x: ["n", 3, 8, 8] },
    outputs: ["y"],
    build(emit) {
      const first = emit.op("Relu", [emitConv(emit, "x", [8, 3, 3, 3])]);
      const six = [emit.constant(scalar(0)), emit.constant(scalar(0.5))];
      const second = emit.op("Clip", [emitConv(emit, first, [8, 8, 3, 3]), ...six]);
      const sum = emit.op("Relu", [emit.op("Add", [emitConv(emit, second, [8, 8, 3, 3]), first])]);
      const pooled = emit.op("Flatten", [emit.op("GlobalAveragePool", [sum])]);
      classify(emit, pooled);
    },
  });

function classify(emit: Emitter, x: string): void {
  const hidden = emit.op("Add", [
    emit.op("MatMul", [x, emit.constant(randomTensor([8, 6], 2, -0.5, 0.5), "w")]),
    emit.constant(randomTensor([6], 3), "b"),
  ]);
  const parameters = [
    emit.constant(randomTensor([6, 5], 4, -0.5, 0.5), "v"),
    emit.constant(randomTensor([5], 5), "c"),
  ];
  emit.op("Gemm", [emit.op("Relu", [hidden]), ...parameters], {}, { outputs: ["y"] });
}

/** The state that keeping the codes of an exported model ends with. */
async function keep(file: Model, options: PlanOptions): Promise<QuantizationState> {
  const { model, quantizers } = await prepareOpen(file, { unquantize: true });
  const excludeNodes = floatLayers(model, options, quantizers);
  const plan = keepBits(planQuantization(model, { ...options, excludeNodes }), quantizers, options);
  return computeState(model, plan, keptRanges(plan, quantizers), { kept: quantizers });
}

/** Codes and scales of weights and steps of activations, for comparison. */
const numbersOf = ({ weights, activations }: QuantizationState): unknown => ({
  weights: Array.from(weights.values(), ({ bits, codes, scale }) => ({ bits, codes, scale })),
  activations: Array.from(activations.values(), ({ bits, scale, zeroPoint, qmin, qmax }) => ({
    bits,
    scale,
    zeroPoint,
    qmin,
    qmax,
  })),
});

describe("a file from here that is kept has the numbers that it had", () => {
  test.each<[string, PlanOptions]>([
    ["W8A8", {}],
    ["W4A8", { wbits: 4, firstLast: "same" }],
    ["W4A4", { wbits: 4, abits: 4, firstLast: "same" }],
    ["signed activations", { signedActivations: true }],
    ["for OpenVINO", { target: "openvino" }],
    ["for TensorRT", { target: "tensorrt" }],
  ])("%s", async (_name, options) => {
    const { exported, state } = await quantizeCase(network(), randomDataset({ x: [3, 8, 8] }), options);
    const target = options.target === undefined ? {} : { target: options.target };
    const { signedActivations } = options;
    const asked = { ...target, ...(signedActivations === undefined ? {} : { signedActivations }) };
    const found = await keep(exported.model, asked);
    expect(numbersOf(found)).toEqual(numbersOf(state));
  });

  test("a table of rows", async () => {
    const model = buildModel({
      inputs: { ids: ["int64", "n", 4] },
      outputs: ["y"],
      build(emit) {
        const table = emit.constant(randomTensor([1024, 16], 1), "table");
        const w = emit.constant(randomTensor([16, 8], 2), "w");
        emit.op("MatMul", [emit.op("Gather", [table, "ids"]), w], {}, { outputs: ["y"] });
      },
    });
    const dataset = randomDataset({ ids: [4] });
    const integers = {
      ...dataset,
      read: async (indices: ArrayLike<number>) => ({
        size: indices.length,
        inputs: {
          ids: ints(
            Array.from({ length: 4 * indices.length }, (_, i) => (i * 37) % 1024),
            [indices.length, 4],
          ),
        },
      }),
    };
    const { exported, state } = await quantizeCase(model, integers);
    const found = await keep(exported.model, {});
    expect([...state.weights.values()].map(({ op }) => op)).toContain("Gather");
    expect(numbersOf(found)).toEqual(numbersOf(state));
  });
});

test("codes for another processor keep their scales and move their zero point", async () => {
  const { exported, state } = await quantizeCase(network(), randomDataset({ x: [3, 8, 8] }));
  const found = await keep(exported.model, { signedActivations: true });
  const shifted = Array.from(state.activations.values(), ({ scale, zeroPoint }) => [scale, zeroPoint - 128]);
  expect(Array.from(found.activations.values(), ({ scale, zeroPoint }) => [scale, zeroPoint])).toEqual(
    shifted,
  );
});

test("a layer that the file holds in float stays so", async () => {
  const prepared = network();
  const [first] = prepared.graph.nodes.filter(({ opType }) => opType === "Conv");
  const options = { excludeNodes: [first?.name ?? ""] };
  const { exported, state } = await quantizeCase(prepared, randomDataset({ x: [3, 8, 8] }), options);
  const found = await keep(exported.model, {});
  expect(found.weights.size).toBe(state.weights.size);
  expect(found.weights.size).toBe(4);
});
