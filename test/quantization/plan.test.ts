import { describe, expect, test } from "vitest";
import type { Emitter } from "../../src/ir/emit.ts";
import { float } from "../../src/ir/attributes.ts";
import { prepareModel } from "../../src/passes/prepare.ts";
import type { PlanOptions } from "../../src/quantization/options.ts";
import { planQuantization } from "../../src/quantization/plan.ts";
import type { QuantizationPlan } from "../../src/quantization/types.ts";
import { scalar, tensorOf } from "../../src/tensor/tensor.ts";
import { buildModel } from "../support/build-model.ts";
import { catchUserError } from "../support/catch-error.ts";
import { emitConv } from "../support/quantize-case.ts";
import { randomTensor } from "../support/random-tensor.ts";

const square = [4, 4, 3, 3];
const conv = (emit: Emitter, x: string, output: string): string => emitConv(emit, x, square, { output });
const op = (emit: Emitter, type: string, inputs: string[], output: string, attributes = {}): string =>
  emit.op(type, inputs, attributes, { outputs: [output] });

async function plan(
  build: (emit: Emitter) => void,
  options: PlanOptions = {},
  outputs: string[] = ["y"],
): Promise<QuantizationPlan> {
  const model = buildModel({ inputs: { x: ["N", 4, 8, 8] }, outputs, build });
  return planQuantization(await prepareModel(model), options);
}

const quantizers = ({ activations }: QuantizationPlan): string[] => activations.map(({ name }) => name);
const groups = ({ activations }: QuantizationPlan): string[][] => activations.map(({ tensors }) => tensors);

describe("where quantizers go", () => {
  test("a convolution reads and writes codes; a dropped Relu gives its name and a zero point at the lowest code", async () => {
    const found = await plan((emit) => {
      op(emit, "Relu", [conv(emit, "x", "c")], "r");
      conv(emit, "r", "y");
    });
    expect(quantizers(found)).toEqual(["x", "r", "y"]);
    expect(found.activations.map(({ fixedZeroPoint }) => fixedZeroPoint)).toEqual([false, true, false]);
    expect(found.activations.map(({ trainable }) => trainable)).toEqual([false, true, true]);
    expect(found.dropped).toMatchObject([{ op: "Relu", form: "both" }]);
    expect(found.float).toEqual([]);
    expect(found.biases.map(({ activation }) => activation)).toEqual(["x", "r"]);
  });

  test("a Relu whose input has another reader stays, with the reason", async () => {
    const found = await plan((emit) => {
      conv(emit, "x", "c");
      op(emit, "Relu", ["c"], "r");
      op(emit, "Add", [conv(emit, "r", "d"), "c"], "s");
      conv(emit, "s", "y");
    });
    expect(found.dropped).toEqual([]);
    expect(found.float).toMatchObject([
      { op: "Relu", reason: expect.stringContaining("other readers") as string },
    ]);
    expect(quantizers(found)).toEqual(["x", "c", "r", "d", "s", "y"]);
  });

  test("with symmetric codes a Relu is bounds on the codes, and training keeps it", async () => {
    const found = await plan(
      (emit) => {
        op(emit, "Relu", [conv(emit, "x", "c")], "r");
        conv(emit, "r", "y");
      },
      { signedActivations: true, symmetricActivations: true },
    );
    expect(found.dropped).toMatchObject([{ op: "Relu", form: "deploy" }]);
    expect(found.activations[1]).toMatchObject({ name: "r", saturation: { min: 0, max: Infinity } });
  });

  test("a Clip is always bounds on the codes; a range from 0 fixes the zero point", async () => {
    const found = await plan((emit) => {
      const bounds = [emit.constant(scalar(0)), emit.constant(scalar(6))];
      op(emit, "Clip", [conv(emit, "x", "c"), ...bounds], "r");
      conv(emit, "r", "y");
    });
    expect(found.dropped).toMatchObject([{ op: "Clip", form: "deploy" }]);
    expect(found.activations[1]).toMatchObject({
      name: "r",
      fixedZeroPoint: true,
      saturation: { min: 0, max: 6 },
    });
  });

  test("operators that move values share the quantizer, also with a Relu behind them", async () => {
    const found = await plan((emit) => {
      const pooled = op(emit, "MaxPool", [conv(emit, "x", "c")], "p", { kernel_shape: [2, 2] });
      op(emit, "Relu", [op(emit, "Transpose", [pooled], "t", { perm: [0, 1, 3, 2] })], "r");
      conv(emit, "r", "y");
    });
    expect(groups(found)).toEqual([["x"], ["c", "p", "r"], ["y"]]);
    expect(found.activations[1]).toMatchObject({ observed: "r", fixedZeroPoint: true });
    expect(found.dropped).toMatchObject([{ op: "Relu", form: "both" }]);
  });

  test("pools and Concat have their own scales", async () => {
    const found = await plan((emit) => {
      conv(emit, "x", "c");
      const pooled = op(emit, "AveragePool", ["c"], "p", { kernel_shape: [3, 3], pads: [1, 1, 1, 1] });
      op(emit, "Concat", ["c", pooled], "k", { axis: 1 });
      emitConv(emit, "k", [4, 8, 3, 3], { output: "y" });
    });
    expect(groups(found)).toEqual([["x"], ["c"], ["p"], ["k"], ["y"]]);
  });

  test("float operators get no quantizer but what their neighbours need", async () => {
    const found = await plan((emit) => {
      op(emit, "HardSwish", [conv(emit, "x", "c")], "h");
      op(emit, "Mul", [op(emit, "Tanh", ["h"], "t"), op(emit, "Exp", ["h"], "e")], "m");
      conv(emit, "m", "y");
    });
    expect(quantizers(found)).toEqual(["x", "c", "m", "y"]);
    expect(found.float.map((entry) => entry.op)).toEqual(["HardSwish", "Tanh", "Exp", "Mul"]);
    expect(found.float.at(-1)?.reason).toContain("everything it reads is float");
  });

  test("an Add that only float operators read stays float", async () => {
    const found = await plan((emit) => {
      op(emit, "Add", [conv(emit, "x", "a"), conv(emit, "x", "b")], "s");
      op(emit, "Tanh", ["s"], "y");
    });
    expect(quantizers(found)).toEqual(["x", "a", "b"]);
    expect(found.float).toMatchObject([
      { op: "Add", reason: expect.stringContaining("reads its output is float") as string },
      {},
    ]);
  });

  test("a gate of known range in squeeze-and-excite", async () => {
    const found = await plan((emit) => {
      conv(emit, "x", "c");
      const pooled = op(emit, "GlobalAveragePool", ["c"], "p");
      const gate = emitConv(emit, pooled, [4, 4, 1, 1], { output: "g", attributes: {} });
      op(emit, "Mul", ["c", op(emit, "HardSigmoid", [gate], "h", { alpha: float(0.2) })], "m");
      conv(emit, "m", "y");
    });
    expect(quantizers(found)).toEqual(["x", "c", "p", "g", "h", "m", "y"]);
    expect(found.activations.find(({ name }) => name === "h")).toMatchObject({
      fixedRange: [0, 1],
      fixedZeroPoint: true,
    });
  });

  test("the result of a Gemm stays float where nobody wants codes", async () => {
    const found = await plan((emit) => {
      op(emit, "Flatten", [op(emit, "GlobalAveragePool", [conv(emit, "x", "c")], "p")], "f", { axis: 1 });
      op(
        emit,
        "Gemm",
        ["f", emit.constant(randomTensor([4, 10], 1), "w"), emit.constant(randomTensor([10], 2), "b")],
        "y",
      );
    });
    expect(groups(found)).toEqual([["x"], ["c"], ["p", "f"]]);
    expect(found.weights.map(({ name, axis, op: type }) => [name, axis, type])).toEqual([
      ["conv.weight", 0, "Conv"],
      ["w", 1, "Gemm"],
    ]);
  });

  test("a constant operand is quantized as a constant", async () => {
    const found = await plan((emit) => {
      const shift = emit.constant(randomTensor([1, 4, 8, 1], 3), "shift");
      op(emit, "Mul", [op(emit, "Relu", [conv(emit, "x", "c")], "r"), shift], "m");
      conv(emit, "m", "y");
    });
    expect(found.activations.find(({ name }) => name === "shift")).toMatchObject({
      constant: true,
      trainable: false,
    });
  });
});

describe("bits", () => {
  const network = (emit: Emitter): void => {
    const a = op(emit, "Relu", [conv(emit, "x", "c1")], "a");
    const b = op(emit, "Relu", [op(emit, "Add", [conv(emit, a, "c2"), a], "s")], "b");
    conv(emit, op(emit, "Relu", [conv(emit, b, "c3")], "d"), "y");
  };

  test("first and last layer keep 8 bits, and what they read", async () => {
    const found = await plan(network, { wbits: 4, abits: 4 });
    expect(found.weights.map(({ bits }) => bits)).toEqual([8, 4, 4, 8]);
    expect(found.activations.map(({ name, bits }) => `${name}:${bits}`)).toEqual([
      "x:8",
      "a:4",
      "c2:4",
      "b:4",
      "d:8",
      "y:4",
    ]);
  });

  test("all the same when asked", async () => {
    const found = await plan(network, { wbits: 4, abits: 4, firstLast: "same" });
    expect(new Set([...found.weights, ...found.activations].map(({ bits }) => bits))).toEqual(new Set([4]));
  });

  test("values that no weighted layer reads can keep 8 bits", async () => {
    const found = await plan(network, { wbits: 4, abits: 4, otherActivations: "8" });
    expect(found.activations.map(({ name, bits }) => `${name}:${bits}`)).toEqual([
      "x:8",
      "a:4",
      "c2:8",
      "b:4",
      "d:8",
      "y:8",
    ]);
  });
});

describe("what stays float, and why", () => {
  test("excluded operators and nodes", async () => {
    const build = (emit: Emitter): void => {
      conv(emit, op(emit, "Relu", [conv(emit, "x", "c")], "r"), "y");
    };
    const byNode = await plan(build, { excludeNodes: ["conv/Conv"] });
    expect(byNode.weights.map(({ name }) => name)).toEqual(["conv_1.weight"]);
    expect(byNode.float).toContainEqual({
      node: "conv/Conv",
      op: "Conv",
      reason: "the node is excluded by option",
    });
    const byOperator = await plan(build, { excludeOps: ["Conv"] });
    expect(byOperator.weights).toEqual([]);
    expect(byOperator.activations).toEqual([]);
    expect(byOperator.float.map((entry) => entry.op)).toEqual(["Conv", "Relu", "Conv"]);
    const error = await catchUserError(() => plan(build, { excludeNodes: ["nope"] }));
    expect(error.code).toBe("usage/exclude-nodes");
    expect(error.message).toContain('"nope"');
    const typo = await catchUserError(() => plan(build, { excludeOps: ["Relu", "conv", "Softmax"] }));
    expect(typo.code).toBe("usage/exclude-ops");
    expect(typo.message).toContain('called "conv"');
    expect(typo.hint).toBe("Did you mean Conv?");
    const strange = await catchUserError(() => plan(build, { excludeOps: ["conv/Conv"] }));
    expect(strange.hint).toContain("--exclude-nodes");
  });

  test("a weight that a node reads in another way", async () => {
    const found = await plan((emit) => {
      emit.graph.initializers.set("w", randomTensor(square, 1));
      op(emit, "Conv", ["x", "w"], "c", { pads: [1, 1, 1, 1] });
      const scale = op(emit, "ReduceMean", ["x"], "mean", { keepdims: 0 });
      op(emit, "Add", ["c", op(emit, "ReduceMean", [op(emit, "Mul", ["w", scale], "m")], "n")], "y");
    });
    expect(found.weights).toEqual([]);
    expect(found.float.find((entry) => entry.op === "Conv")?.reason).toContain('"w" is also read by node');
  });

  test("a weight that two convolutions read is one weight", async () => {
    const found = await plan((emit) => {
      emit.graph.initializers.set("w", randomTensor(square, 1));
      const c = op(emit, "Conv", ["x", "w"], "c", { pads: [1, 1, 1, 1] });
      op(emit, "Conv", [c, "w"], "y", { pads: [1, 1, 1, 1] });
    });
    expect(found.weights).toHaveLength(1);
    expect(found.weights[0]?.nodes).toHaveLength(2);
  });

  test("a convolution with a computed weight", async () => {
    const found = await plan((emit) => {
      op(
        emit,
        "Conv",
        [
          "x",
          op(
            emit,
            "Slice",
            [
              "x",
              ...[0, 1, 0].map((v) => emit.constant(tensorOf("int64", [1], BigInt64Array.of(BigInt(v))))),
            ],
            "w",
          ),
        ],
        "y",
      );
    });
    expect(found.float.find((entry) => entry.op === "Conv")?.reason).toContain("computed by the graph");
  });

  test("every node is accounted for", async () => {
    const found = await plan((emit) => {
      op(emit, "Tanh", [op(emit, "Relu", ["x"], "r")], "t");
      conv(emit, "t", "c");
      op(emit, "Reshape", ["c", emit.constant(tensorOf("int64", [2], BigInt64Array.of(0n, -1n)))], "y");
    });
    expect(found.float.map((entry) => entry.op)).toEqual(["Relu", "Tanh", "Reshape"]);
    for (const { reason } of found.float) expect(reason.length).toBeGreaterThan(10);
  });

  test("a model that is quantized already is refused", async () => {
    const model = buildModel({
      inputs: { x: ["N", 4] },
      outputs: ["y"],
      build: (emit) => {
        const parameters = [
          emit.constant(scalar(0.1)),
          emit.constant(tensorOf("uint8", [], Uint8Array.of(0))),
        ];
        const codes = op(emit, "QuantizeLinear", ["x", ...parameters], "q");
        op(emit, "DequantizeLinear", [codes, ...parameters], "y");
      },
    });
    const error = await catchUserError(() => planQuantization(model));
    expect(error.code).toBe("unsupported/already-quantized");
  });

  test("option values outside the choices", async () => {
    const error = await catchUserError(() => plan((emit) => conv(emit, "x", "y"), { wbits: 5 as 4 }));
    expect(error.code).toBe("usage/wbits");
  });
});
