import { describe, expect, test } from "vitest";
import type { Emitter } from "../../src/ir/emit.ts";
import { graphAttribute } from "../../src/ir/attributes.ts";
import { createGraph, createNode, createValue } from "../../src/ir/graph.ts";
import type { Model } from "../../src/ir/model.ts";
import { loadModel } from "../../src/onnx/index.ts";
import { prepareOpen } from "../../src/passes/prepare.ts";
import { noQuantizers } from "../../src/passes/unquantize/file-quantizers.ts";
import { unquantize } from "../../src/passes/unquantize/unquantize.ts";
import { createContext } from "../../src/passes/define-pass.ts";
import { withSession } from "../../src/runtime/open-model.ts";
import { addNoise, decibelsOf } from "../../src/tensor/agreement.ts";
import { floats, scalar, type Tensor, tensorOf, viewAs } from "../../src/tensor/tensor.ts";
import { buildModel } from "../support/build-model.ts";
import { catchUserError } from "../support/catch-error.ts";
import { randomTensor } from "../support/random-tensor.ts";

const byte = (value: number): Tensor => tensorOf("uint8", [], Uint8Array.of(value));

/** Steps of a quantizer as constants. */
const steps = (emit: Emitter, scale: number, zeroPoint: number): string[] => [
  emit.constant(scalar(scale), "scale"),
  emit.constant(byte(zeroPoint), "zero"),
];

/** Codes of a value and the value that they stand for. */
function rounded(emit: Emitter, x: string, scale: number, zeroPoint: number, outputs?: string[]): string {
  const names = steps(emit, scale, zeroPoint);
  const codes = emit.op("QuantizeLinear", [x, ...names]);
  return emit.op("DequantizeLinear", [codes, ...names], {}, outputs === undefined ? {} : { outputs });
}

const strip = async (model: Model): Promise<{ operators: string[]; model: Model }> => {
  const found = await unquantize(noQuantizers()).run(model, createContext("unquantize", []));
  return { model: found, operators: found.graph.nodes.map(({ opType }) => opType) };
};

/** SQNR in dB of the first output of `found` against that of `expected`. */
async function agreement(expected: Model, found: Model, x: Tensor): Promise<number> {
  const run = (model: Model): Promise<Tensor> =>
    withSession(model, { threads: 1, exactKernels: true }, async (session) => {
      const results = await session.run({ x });
      return Object.values(results)[0] as Tensor;
    });
  const sums = { signal: 0, noise: 0 };
  addNoise(sums, viewAs(await run(expected), "float32"), viewAs(await run(found), "float32"));
  return decibelsOf(sums);
}

describe("files by Python's onnxruntime.quantization, without their codes", () => {
  const layers = [
    "Conv",
    "Relu",
    "Conv",
    "Relu",
    "Conv",
    "Add",
    "Relu",
    "GlobalAveragePool",
    "Flatten",
    "Gemm",
  ];
  const bounded = layers.map((op, i) => (i === 3 ? "Clip" : op));

  test.each<[name: string, operators: string[], activations: number]>([
    ["qdq", layers, 8],
    ["qdq-int8", layers, 8],
    ["qdq-symmetric", bounded, 11],
    ["qoperator", layers, 7],
    ["dynamic", bounded, 0],
  ])("%s: the layers and what their codes did beside rounding", async (name, operators, activations) => {
    const source = await loadModel(`fixtures/ort-formats/${name}.onnx`);
    const { model, quantizers } = await prepareOpen(source, { unquantize: true });
    expect(model.graph.nodes.map(({ opType }) => opType)).toEqual(operators);
    expect(quantizers.weights.size).toBe(4);
    const values = new Set([...quantizers.activations.values()]);
    expect(values.size).toBe(activations);
    // The rounding of the file, of its output above all, is 19 dB.
    expect(await agreement(source, model, randomTensor([16, 3, 8, 8], 3, -2, 2))).toBeGreaterThan(18);
  });
});

describe("what codes do beside rounding", () => {
  const layer = (scale: number, zeroPoint: number, build: (emit: Emitter, x: string) => string): Model =>
    buildModel({
      inputs: { x: ["n", 4] },
      outputs: ["y"],
      build(emit) {
        const product = emit.op("MatMul", ["x", emit.constant(randomTensor([4, 4], 1), "w")]);
        rounded(emit, build(emit, product), scale, zeroPoint, ["y"]);
      },
    });
  const as = (_emit: Emitter, x: string): string => x;

  test.each<[string, Model, string[]]>([
    ["the zero point is the lowest code: a Relu", layer(0.0123, 0, as), ["MatMul", "Relu"]],
    ["and the highest is 6: a Clip", layer(Math.fround(6 / 255), 0, as), ["MatMul", "Clip"]],
    ["the zero point lies within: nothing", layer(0.0123, 128, as), ["MatMul"]],
    ["the Relu is still there", layer(0.0123, 0, (emit, x) => emit.op("Relu", [x])), ["MatMul", "Relu"]],
    [
      "values that are never negative: pools of a Relu",
      layer(0.0123, 0, (emit, x) => emit.op("ReduceMean", [emit.op("Relu", [x])], { axes: [1] })),
      ["MatMul", "Relu", "ReduceMean"],
    ],
    ["a range that is known", layer(1 / 255, 0, (emit, x) => emit.op("Sigmoid", [x])), ["MatMul", "Sigmoid"]],
  ])("%s", async (_name, model, expected) => {
    const { operators } = await strip(model);
    expect(operators.filter((op) => op !== "Identity")).toEqual(expected);
  });

  test("the value keeps its name behind the Relu that is put back", async () => {
    const model = buildModel({
      inputs: { x: ["n", 4] },
      outputs: ["y"],
      build(emit) {
        const w = emit.constant(randomTensor([4, 4], 1), "w");
        emit.op("MatMul", ["x", w], {}, { outputs: ["hidden"] });
        emit.op("MatMul", [rounded(emit, "hidden", 0.0123, 0), w], {}, { outputs: ["y"] });
      },
    });
    const quantizers = noQuantizers();
    const stripped = await unquantize(quantizers).run(model, createContext("unquantize", []));
    const relu = stripped.graph.nodes.find(({ opType }) => opType === "Relu");
    expect(relu?.outputs).toEqual(["hidden"]);
    expect(quantizers.activations.get("hidden")).toMatchObject({ zeroPoint: 0, qmin: 0, qmax: 255 });
  });

  test("codes that are moved and pooled before they are floats again", async () => {
    const model = buildModel({
      inputs: { x: ["n", 2, 4, 4] },
      outputs: ["y"],
      build(emit) {
        const names = steps(emit, 0.02, 100);
        const codes = emit.op("QuantizeLinear", ["x", ...names]);
        const pooled = emit.op("MaxPool", [codes], { kernel_shape: [2, 2], strides: [2, 2] });
        const turned = emit.op("Transpose", [pooled], { perm: [0, 2, 3, 1] });
        emit.op("DequantizeLinear", [turned, ...names], {}, { outputs: ["y"] });
      },
    });
    const { model: found, operators } = await strip(model);
    expect(operators.filter((op) => op !== "Identity")).toEqual(["MaxPool", "Transpose"]);
    expect(await agreement(model, found, randomTensor([2, 2, 4, 4], 3, -1, 1))).toBeGreaterThan(30);
  });
});

describe("what there is no way back from is an error that names the node", () => {
  const unsupported = async (model: Model): Promise<string> => {
    const error = await catchUserError(() => strip(model));
    expect(error.code).toBe("unsupported/quantized-operator");
    expect(error.where).toMatch(/^node "/);
    return error.message;
  };

  test.each<[string, (emit: Emitter) => void, RegExp]>([
    [
      "codes read with another scale",
      (emit) => {
        const codes = emit.op("QuantizeLinear", ["x", ...steps(emit, 0.1, 3)]);
        emit.op("DequantizeLinear", [codes, ...steps(emit, 0.2, 3)], {}, { outputs: ["y"] });
      },
      /another scale or zero point/,
    ],
    [
      "scales of blocks",
      (emit) => {
        const codes = emit.constant(tensorOf("int8", [4, 4], new Int8Array(16)), "codes");
        const scales = emit.constant(floats(new Array<number>(8).fill(0.1), [2, 4]), "scales");
        const w = emit.op("DequantizeLinear", [codes, scales], { axis: 0, block_size: 2 });
        emit.op("MatMul", ["x", w], {}, { outputs: ["y"] });
      },
      /scales are those of blocks/,
    ],
    [
      "arithmetic on codes",
      (emit) => {
        const names = steps(emit, 0.1, 3);
        const codes = emit.op("QuantizeLinear", ["x", ...names]);
        const sum = emit.op("Add", [codes, emit.constant(byte(1))]);
        emit.op("DequantizeLinear", [sum, ...names], {}, { outputs: ["y"] });
      },
      /what Add makes of codes/,
    ],
    [
      "a kernel without a rule",
      (emit) => void emit.node("QAttention", ["x"], { domain: "com.microsoft", outputs: ["y"] }),
      /no float operator known/,
    ],
  ])("%s", async (_name, build, expected) => {
    expect(await unsupported(buildModel({ inputs: { x: ["n", 4] }, outputs: ["y"], build }))).toMatch(
      expected,
    );
  });

  test("quantizers in a branch", async () => {
    const branch = createGraph("branch");
    branch.nodes = [createNode({ name: "q", opType: "QuantizeLinear", inputs: ["x", "s"], outputs: ["c"] })];
    branch.outputs = [createValue("c", "uint8", undefined)];
    const model = buildModel({
      inputs: { x: ["n", 4], on: ["bool"] },
      outputs: ["y"],
      build(emit) {
        emit.graph.initializers.set("s", scalar(0.1));
        const branches = { then_branch: graphAttribute(branch), else_branch: graphAttribute(branch) };
        emit.op("If", ["on"], branches, { outputs: ["y"] });
      },
    });
    expect(await unsupported(model)).toMatch(/lies in a subgraph/);
  });
});
