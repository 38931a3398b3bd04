import { describe, expect, test } from "vitest";
import { buildReference, bindParameters } from "../../src/export/reference-model.ts";
import { exportModel } from "../../src/export/export-model.ts";
import type { LayerStudy } from "../../src/export/study-layers.ts";
import { type ActivationStudy, studyWeight } from "../../src/export/study-values.ts";
import { verifyExport } from "../../src/export/verify-export.ts";
import type { Emitter } from "../../src/ir/emit.ts";
import { cloneModel } from "../../src/ir/clone.ts";
import { chooseOutputs } from "../../src/ir/judged-output.ts";
import { createValue } from "../../src/ir/graph.ts";
import { targetNamed } from "../../src/quantization/targets/table.ts";
import type { Target } from "../../src/quantization/targets/target.ts";
import type { QuantizedWeight } from "../../src/quantization/types.ts";
import { floats, type Tensor, tensorOf, viewAs } from "../../src/tensor/tensor.ts";
import { version } from "../../src/version.ts";
import { buildModel } from "../support/build-model.ts";
import { catchUserError } from "../support/catch-error.ts";
import { emitConv, quantizeCase, type QuantizedCase, randomDataset } from "../support/quantize-case.ts";
import { randomTensor } from "../support/random-tensor.ts";

function classifier(emit: Emitter): void {
  const a = emit.op("Relu", [emitConv(emit, "x", [8, 4, 3, 3])], {}, { outputs: ["a"] });
  const b = emit.op("Relu", [emitConv(emit, a, [8, 8, 3, 3])], {}, { outputs: ["b"] });
  const pooled = emit.op("GlobalAveragePool", [b], {}, { outputs: ["p"] });
  const flat = emit.op("Flatten", [pooled], { axis: 1 }, { outputs: ["f"] });
  const weight = emit.constant(randomTensor([8, 5], 4), "w");
  emit.op("Gemm", [flat, weight, emit.constant(randomTensor([5], 5), "b5")], {}, { outputs: ["y"] });
}

async function quantized(target?: Target): Promise<QuantizedCase> {
  const model = buildModel({ inputs: { x: ["N", 4, 8, 8] }, outputs: ["y"], build: classifier });
  return quantizeCase(model, randomDataset({ x: [4, 8, 8] }, 64), target && { target });
}

const referenceOf = ({ prepared, plan, exported }: QuantizedCase) =>
  buildReference(prepared, plan, exported.state, exported.biases);

describe("verification of an export", () => {
  test("a good one passes, with its figures", async () => {
    const done = await quantized();
    const { exported, plan, dataset } = done;
    const found = await verifyExport(exported.model, referenceOf(done), plan, exported.state, dataset, {
      float: done.prepared,
    });
    expect(found.samples).toBe(64);
    expect(found.agreement).toBe(1);
    expect(found.sqnr).toBeGreaterThan(40);
    expect(found.layers.map(({ tensor }) => tensor)).toEqual(["x", "a", "b", "p", "f"]);
  });

  test("values are told against the float model's, alone and with all before them quantized", async () => {
    const done = await quantized(targetNamed("ort-cpu-no-vnni"));
    const { exported, plan, dataset, prepared } = done;
    const found = await verifyExport(exported.model, referenceOf(done), plan, exported.state, dataset, {
      float: prepared,
      prepared,
    });
    const { samples, activations } = found.study as LayerStudy;
    expect(samples).toBe(16);
    expect(activations.map(({ tensor }) => tensor)).toEqual(["x", "a", "b", "p", "f"]);
    const [x, a, b] = activations as [ActivationStudy, ActivationStudy, ActivationStudy];
    expect(x.accumulated).toBeCloseTo(x.alone, 6);
    expect(a.accumulated).toBeCloseTo(a.alone, 1);
    expect(b.accumulated).toBeLessThan(b.alone);
    for (const { alone } of activations) expect(alone).toBeGreaterThan(25);
    expect(a.range.min).toBe(0);
    for (const { tensor, histogram, clipped } of activations) {
      const { counts, zeros } = histogram;
      expect(counts.length).toBeLessThanOrEqual(64);
      const elements = { x: 256, a: 512, b: 512, p: 8, f: 8 }[tensor] as number;
      expect(counts.reduce((sum, count) => sum + count, zeros)).toBe(16 * elements);
      expect(clipped).toBeLessThan(0.01);
    }
  });

  test("weights beyond the codes of their row are counted", () => {
    const weight: QuantizedWeight = {
      name: "w",
      nodes: [],
      op: "Conv",
      axis: 0,
      bits: 4,
      shape: [2, 2],
      qmin: -7,
      qmax: 7,
      codes: Int8Array.of(7, -7, 1, 0),
      scale: Float32Array.of(1, 2),
      enlargedRows: [],
    };
    const { range, clipped, sqnr, histogram } = studyWeight(weight, Float32Array.of(9, -7.25, 2, 0));
    expect(range).toEqual({ min: -14, max: 14 });
    expect(clipped).toBe(0.25);
    expect(sqnr).toBeCloseTo(10 * Math.log10((81 + 7.25 ** 2 + 4) / (4 + 0.0625)), 4);
    expect(histogram.zeros).toBe(1);
  });

  test("a layer with one wrong weight scale is found and named", async () => {
    const done = await quantized();
    const { exported, plan, dataset } = done;
    const broken = cloneModel(exported.model);
    const name = plan.weights[1]?.name as string;
    const scale = viewAs(broken.graph.initializers.get(`${name}.scale`) as Tensor, "float32").slice();
    scale[0] = 1.5 * (scale[0] as number);
    broken.graph.initializers.set(`${name}.scale`, floats(scale));
    const error = await catchUserError(() =>
      verifyExport(broken, referenceOf(done), plan, exported.state, dataset, { float: done.prepared }),
    );
    expect(error.code).toBe("verification/layers");
    expect(error.where).toContain('"b"');
  });

  test("outputs that disagree are an error even where all codes agree", async () => {
    const done = await quantized();
    const { exported, plan, dataset } = done;
    const found = new Set<string>();
    const outputs = chooseOutputs(done.prepared, { labels: true });
    for (let favoured = 0; favoured < 2; favoured++) {
      const broken = cloneModel(exported.model);
      const codes = viewAs(broken.graph.initializers.get("b5.codes") as Tensor, "int32").slice();
      codes[favoured] = (codes[favoured] as number) + 1e6;
      broken.graph.initializers.set("b5.codes", tensorOf("int32", [5], codes));
      const options = { float: done.prepared, outputs };
      const error = await catchUserError(() =>
        verifyExport(broken, referenceOf(done), plan, exported.state, dataset, options),
      );
      expect(error.kind).toBe("verification");
      found.add(error.code);
    }
    // One class more likely than before changes the prediction of every sample, unless it was that class already.
    expect(found).toContain("verification/agreement");
  });

  test("outputs that are no classes are held to the SQNR alone", async () => {
    const build = (emit: Emitter): void =>
      void emit.op("MatMul", ["x", emit.constant(randomTensor([8, 5], 3), "w")], {}, { outputs: ["y"] });
    const model = buildModel({ inputs: { x: ["N", 6, 8] }, outputs: ["y"], build });
    const done = await quantizeCase(model, randomDataset({ x: [6, 8] }));
    const { exported, plan, dataset } = done;
    const found = await verifyExport(exported.model, referenceOf(done), plan, exported.state, dataset, {
      float: done.prepared,
    });
    expect(found.agreement).toBeUndefined();
    expect(found.sqnr).toBeGreaterThan(60);
    const broken = cloneModel(exported.model);
    const scale = viewAs(broken.graph.initializers.get("w.scale") as Tensor, "float32").map(
      (value) => 1.1 * value,
    );
    broken.graph.initializers.set("w.scale", floats(scale));
    const error = await catchUserError(() =>
      verifyExport(broken, referenceOf(done), plan, exported.state, dataset, { float: done.prepared }),
    );
    expect(error.code).toBe("verification/sqnr");
    expect(error.message).toContain("20.0 dB");
  });
});

describe("export", () => {
  test("provenance, producer and rounded zero points", async () => {
    const { prepared, plan, state } = await quantized();
    const trained = { ...state, activations: new Map(state.activations) };
    const x = trained.activations.get("x")!;
    trained.activations.set("x", { ...x, zeroPoint: 127.4 });
    const { model, state: held } = await exportModel(prepared, plan, trained, new Map(), {
      provenance: { seed: 7 },
    });
    expect(JSON.parse(model.metadata.get("efqat") ?? "")).toEqual({ version, seed: 7 });
    expect(model).toMatchObject({ producerName: "efqat", producerVersion: version });
    expect(held.activations.get("x")?.zeroPoint).toBe(127);
    expect(viewAs(model.graph.initializers.get("x.zero_point") as Tensor, "uint8")[0]).toBe(127);
  });

  test("trained biases are the ones stored; rows that int32 cannot hold are enlarged and counted", async () => {
    const { prepared, plan, state } = await quantized();
    const bias = Float32Array.of(1, -2, 3, 1e9, 0);
    const {
      model,
      biases,
      enlargedRows,
      state: held,
    } = await exportModel(prepared, plan, state, new Map([["b5", bias]]));
    expect([...enlargedRows]).toEqual([["w", 1]]);
    expect(held.weights.get("w")?.enlargedRows).toEqual([3]);
    const scales = viewAs(model.graph.initializers.get("b5.scale") as Tensor, "float32");
    const codes = viewAs(model.graph.initializers.get("b5.codes") as Tensor, "int32");
    for (const [c, value] of bias.entries()) {
      expect(Math.abs((codes[c] as number) * (scales[c] as number) - value)).toBeLessThanOrEqual(
        0.51 * (scales[c] as number) + 2 ** -24 * Math.abs(value),
      );
      expect(biases.get("b5")?.[c]).toBe(Math.fround((codes[c] as number) * (scales[c] as number)));
    }
  });

  test("scales and parameters that training broke are errors", async () => {
    const { prepared, plan, state } = await quantized();
    const negative = { ...state, activations: new Map(state.activations) };
    negative.activations.set("a", { ...state.activations.get("a")!, scale: -0.1 });
    const scale = await catchUserError(() => exportModel(prepared, plan, negative));
    expect(scale.message).toContain('"a" is -0.1');
    const bias = await catchUserError(() =>
      exportModel(prepared, plan, state, new Map([["b5", Float32Array.of(0, NaN, 0, 0, 0)]])),
    );
    expect(bias.message).toContain('"b5"');
  });

  test("an evaluation graph becomes a plain model with its parameters bound", async () => {
    const done = await quantized();
    const plain = referenceOf(done);
    const open = cloneModel(plain);
    const parameters = new Map<string, Tensor>();
    for (const name of ["w.codes", "w.scale", "b5", "a.scale"]) {
      const tensor = open.graph.initializers.get(name) as Tensor;
      parameters.set(name, tensor);
      open.graph.initializers.delete(name);
      open.graph.inputs.push(createValue(name, tensor.dtype, tensor.dims));
    }
    open.graph.inputs.push(createValue("labels", "int64", ["N"]));
    const bound = bindParameters(open, parameters, ["y"]);
    expect(bound.graph.inputs.map(({ name }) => name)).toEqual(["x"]);
    const { exported, plan, dataset } = done;
    expect(
      (await verifyExport(exported.model, bound, plan, exported.state, dataset, { float: done.prepared }))
        .agreement,
    ).toBe(1);
  });
});
