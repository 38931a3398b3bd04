import { describe, expect, test } from "vitest";
import { batches } from "../../src/data/batches.ts";
import { checkModel, checkStorage, checkStructure } from "../../src/export/check-target.ts";
import { exportModel } from "../../src/export/export-model.ts";
import { buildReference, referenceSession } from "../../src/export/reference-model.ts";
import type { Emitter } from "../../src/ir/emit.ts";
import type { Model } from "../../src/ir/model.ts";
import { prepareModel } from "../../src/passes/prepare.ts";
import { planQuantization } from "../../src/quantization/plan.ts";
import type { QuantizationPlan } from "../../src/quantization/types.ts";
import * as structure from "../../src/quantization/targets/structure-rules.ts";
import { ortCpu } from "../../src/quantization/targets/ort-cpu.ts";
import { targetNamed, targets } from "../../src/quantization/targets/table.ts";
import { always, type Target } from "../../src/quantization/targets/target.ts";
import { withSession } from "../../src/runtime/open-model.ts";
import { addNoise, decibelsOf } from "../../src/tensor/agreement.ts";
import { ints, scalar, type Tensor, viewAs } from "../../src/tensor/tensor.ts";
import { buildModel } from "../support/build-model.ts";
import { catchUserError } from "../support/catch-error.ts";
import { emitConv, quantizeCase, randomDataset } from "../support/quantize-case.ts";
import { randomTensor } from "../support/random-tensor.ts";
import { saturates } from "../support/saturation.ts";

const square = [16, 16, 3, 3] as const;

/** A residual block, a gate, a movement and a classifier: what layouts differ in. */
function network(emit: Emitter): void {
  const start = emit.op("Relu", [emitConv(emit, "x", [16, 4, 3, 3])]);
  const inner = emitConv(emit, emit.op("Relu", [emitConv(emit, start, square)]), square);
  const sum = emit.op("Relu", [emit.op("Add", [inner, start])]);
  const gated = emit.op("Mul", [sum, emit.op("Sigmoid", [sum])]);
  const pooled = emit.op("MaxPool", [gated], { kernel_shape: [2, 2], strides: [2, 2] });
  const bounds = [-0.1, 0.8].map((bound) => emit.constant(scalar(bound)));
  const clipped = emit.op("Clip", [emitConv(emit, pooled, square), ...bounds]);
  const flat = emit.op("Flatten", [emit.op("GlobalAveragePool", [emit.op("Tanh", [clipped])])], { axis: 1 });
  emit.graph.initializers.set("fc", randomTensor([16, 20], 3, -0.5, 0.5));
  emit.op("Gemm", [flat, "fc", emit.constant(randomTensor([20], 4), "fc.bias")], {}, { outputs: ["y"] });
}

const model = (build = network): Model =>
  buildModel({ inputs: { x: ["N", 4, 8, 8] }, outputs: ["y"], build });
const data = randomDataset({ x: [4, 8, 8] }, 32);

interface Exported {
  exported: Model;
  plan: QuantizationPlan;
  reference: Model;
}

async function exportFor(target: Target, source = model()): Promise<Exported> {
  const { prepared, plan, state } = await quantizeCase(source, data, { target });
  const fixed = target.shapes === "static" ? { batch: 1 } : undefined;
  const exported = await exportModel(prepared, plan, state, new Map(), { fixed });
  const reference = buildReference(prepared, plan, exported.state, exported.biases);
  return { exported: exported.model, plan, reference };
}

/** Signal to noise of the exported model against the graph it was made of, in dB. */
async function sqnrOf(exported: Model, reference: Model, batch: number): Promise<number> {
  const sums = { signal: 0, noise: 0 };
  await withSession(reference, referenceSession, (source) =>
    withSession(exported, { exactKernels: saturates }, async (written) => {
      for await (const { inputs } of batches(data, { batch })) {
        const [expected, found] = [await source.run(inputs), await written.run(inputs)];
        addNoise(sums, viewAs(expected["y"] as Tensor, "float32"), viewAs(found["y"] as Tensor, "float32"));
      }
    }),
  );
  return decibelsOf(sums);
}

const breaks = (exported: Model, rule: structure.StructureRule): string[] => rule.check(exported);

describe.each(targets.map((target) => [target.name, target] as const))("target %s", (_, target) => {
  test("keeps every rule of its documentation, and computes what is trained", async () => {
    const { exported, reference, plan } = await exportFor(target);
    for (const rule of target.verified.rules) expect(breaks(exported, rule), rule.name).toEqual([]);
    expect(plan.target).toBe(target.name);
    expect(await sqnrOf(exported, reference, target.shapes === "static" ? 1 : 8)).toBeGreaterThan(35);
  });
});

describe("layouts", () => {
  const count = ({ graph }: Model, opType: string): number =>
    graph.nodes.filter((node) => node.opType === opType).length;
  const named = (name: string): Promise<Exported> => exportFor(targetNamed(name));

  test("tensorrt: the sum reads the operand that skips the layers as codes, Relu stays, small matrices are float", async () => {
    const { exported, plan } = await named("tensorrt");
    const add = exported.graph.nodes.find(({ opType }) => opType === "Add");
    expect(add?.inputs.filter((name) => name.endsWith(".dq"))).toHaveLength(1);
    expect(count(exported, "Relu")).toBe(3);
    expect(plan.biases).toEqual([]);
    const narrow = buildModel({
      inputs: { x: ["N", 16] },
      outputs: ["y"],
      build: (emit) => {
        emit.graph.initializers.set("w", randomTensor([16, 10], 3));
        emit.op("Gemm", ["x", "w"], {}, { outputs: ["y"] });
      },
    });
    const small = planQuantization(await prepareModel(narrow), { target: "tensorrt" });
    expect(small.float[0]?.reason).toContain("10 wide");
  });

  test("qnn: outputs come out of codes, Tanh has its fixed range, matrices one scale", async () => {
    const { exported, plan } = await named("qnn");
    expect(exported.graph.nodes.find(({ outputs }) => outputs.includes("y"))?.opType).toBe(
      "DequantizeLinear",
    );
    expect(plan.activations.filter(({ fixedRange }) => fixedRange?.[0] === -1)).toHaveLength(1);
    expect(exported.graph.initializers.get("fc.scale")?.dims).toEqual([]);
    expect(plan.float).toEqual([]);
    expect(count(exported, "Clip")).toBe(1);
  });

  test("generic: others read the floats of what a layer reads as codes", async () => {
    const { exported } = await named("generic");
    const add = exported.graph.nodes.find(({ opType }) => opType === "Add");
    expect(add?.inputs.filter((name) => name.endsWith(".dq"))).toEqual([]);
  });

  test("openvino: a shared quantizer stands at the first value alone", async () => {
    const [own, cpu] = [await named("openvino"), await named("ort-cpu")];
    expect(count(own.exported, "QuantizeLinear")).toBeLessThan(count(cpu.exported, "QuantizeLinear"));
  });

  test("ort-cpu-no-vnni: only rows whose products can saturate get a larger scale", async () => {
    const source = buildModel({
      inputs: { x: ["N", 4, 8, 8] },
      outputs: ["y"],
      build: (emit) => {
        emitConv(emit, "x", [2, 4, 1, 1], { bias: false, attributes: {}, output: "y" });
        const [name = ""] = emit.graph.initializers.keys();
        const rows = [...[1, 0.9, -0.2, 0.1], ...[1, 0, -0.9, 0]];
        const weight = emit.graph.initializers.get(name);
        if (weight !== undefined) new Float32Array(weight.bytes.buffer, weight.bytes.byteOffset, 8).set(rows);
      },
    });
    const { state } = await quantizeCase(source, data, { target: "ort-cpu-no-vnni" });
    const [weight] = state.weights.values();
    expect(weight?.pairRows).toEqual([0]);
    const codes = [...(weight?.codes ?? [])];
    expect((codes[0] ?? 0) + (codes[1] ?? 0)).toBeLessThanOrEqual(128);
    expect((codes[0] ?? 0) + (codes[1] ?? 0)).toBeGreaterThan(120);
    expect(codes[4]).toBe(127);
  });
});

describe("a target that is an object", () => {
  /** Layers alone, with zero points of zero: a file that no target in the table writes. */
  const toy: Target = {
    ...ortCpu,
    name: "toy",
    runtime: "the toy runtime",
    operators: { Conv: always("any") },
    carries: [],
    sharedQuantizers: "first value",
    saturation: "kept",
    activations: { bits: [8], signed: true, symmetric: true, fixedRanges: [] },
    bias: "float",
    integerForward: false,
    audited: false,
    verified: {
      by: "structure",
      what: "a test",
      rules: [structure.zeroPointIsZero, structure.noQuantizedBias],
    },
  };

  test("plans, exports and checks without any other file knowing it", async () => {
    const { exported, plan } = await exportFor(toy);
    expect(plan.target).toBe("toy");
    checkStructure(exported, toy);
    expect(plan.weights.every(({ op }) => op === "Conv")).toBe(true);
    expect(plan.float.find(({ op }) => op === "Gemm")?.reason).toContain(
      "the toy runtime has no integer Gemm",
    );
  });

  test("is told what its file breaks", async () => {
    const { exported } = await exportFor(ortCpu);
    const error = await catchUserError(async () => checkStructure(exported, toy, "out.onnx"));
    expect(error).toMatchObject({ code: "verification/structure" });
    expect(String(error)).toContain("zero points are zero");
  });
});

describe("bad input", () => {
  test("an unknown target lists the known ones", async () => {
    const error = await catchUserError(async () => targetNamed("openvin"));
    expect(error).toMatchObject({ code: "usage/target" });
    for (const { name } of targets) expect((error as { hint?: string }).hint).toContain(name);
  });

  test("bits and storage that a target lacks are refused", async () => {
    const prepared = await prepareModel(model());
    const bits = await catchUserError(async () =>
      planQuantization(prepared, { target: "tensorrt", abits: 4 }),
    );
    expect(bits).toMatchObject({ code: "usage/abits" });
    const storage = await catchUserError(async () => checkStorage(targetNamed("ort-web"), "initializer"));
    expect(storage).toMatchObject({ code: "usage/int4" });
  });

  test("inputs with open dimensions beside the batch are named where shapes must be fixed, with sizes to give", async () => {
    const source = buildModel({
      inputs: { x: ["N", 4, "h", "w"], z: [1, "w"] },
      outputs: ["y"],
      build: (emit) => void emit.op("Add", [emitConv(emit, "x", [4, 4, 3, 3]), "z"], {}, { outputs: ["y"] }),
    });
    const prepared = await prepareModel(source);
    const sizes = new Map([
      ["h", 8],
      ["w", 6],
    ]);
    const error = await catchUserError(() => checkModel(prepared, targetNamed("qnn"), sizes));
    expect(error).toMatchObject({ code: "unsupported/target-shapes" });
    expect(String(error)).toContain('"x" [N, 4, h, w], "z" [1, w]');
    expect((error as { hint?: string }).hint).toContain("--input-shape x=-1,4,8,6 --input-shape z=1,6");
    await checkModel(prepared, targetNamed("openvino"), sizes);
  });

  test("16-bit activations are for targets that run them", async () => {
    const prepared = await prepareModel(model());
    const error = await catchUserError(async () =>
      planQuantization(prepared, { target: "ort-cpu", abits: 16 }),
    );
    expect(error).toMatchObject({ code: "usage/abits" });
    const { activations } = planQuantization(prepared, { target: "qnn", abits: 16 });
    expect(new Set(activations.map(({ bits }) => bits))).toEqual(new Set([16]));
  });

  test("nodes whose shapes depend on the data are all named where shapes must be fixed", async () => {
    const source = model((emit) => {
      const flat = emit.op("Reshape", [emitConv(emit, "x", [16, 4, 3, 3]), emit.constant(ints([-1]))]);
      emit.op("NonZero", [flat], {}, { outputs: ["y"], name: "find" });
    });
    const prepared = await prepareModel(source);
    const error = await catchUserError(() => checkModel(prepared, targetNamed("qnn")));
    expect(error).toMatchObject({ code: "unsupported/target-shapes" });
    expect(String(error)).toContain('"find" (NonZero)');
  });
});
