import { beforeAll, describe, expect, test } from "vitest";
import { exportModel, putParameters } from "../../src/export/export-model.ts";
import { buildReference } from "../../src/export/reference-model.ts";
import { verifyExport } from "../../src/export/verify-export.ts";
import type { Emitter } from "../../src/ir/emit.ts";
import { type MovedState, moveLayout, type Obstacle } from "../../src/quantization/move-layout.ts";
import { targetNamed } from "../../src/quantization/targets/table.ts";
import type { QuantizationState } from "../../src/quantization/types.ts";
import { buildModel } from "../support/build-model.ts";
import { emitConv, quantizeCase, type QuantizedCase, randomDataset } from "../support/quantize-case.ts";
import { randomTensor } from "../support/random-tensor.ts";

/** A residual block, a pool and a classifier. */
function network(emit: Emitter): void {
  const start = emit.op("Relu", [emitConv(emit, "x", [16, 4, 3, 3])]);
  const inner = emitConv(emit, emit.op("Relu", [emitConv(emit, start, [16, 16, 3, 3])]), [16, 16, 3, 3]);
  const sum = emit.op("Relu", [emit.op("Add", [inner, start])]);
  const pooled = emit.op("MaxPool", [sum], { kernel_shape: [2, 2], strides: [2, 2] });
  const flat = emit.op("Flatten", [emit.op("GlobalAveragePool", [pooled])], { axis: 1 });
  emit.graph.initializers.set("fc", randomTensor([16, 20], 3, -0.5, 0.5));
  emit.op(
    "Gemm",
    [flat, "fc", emit.constant(randomTensor([20], 4), "fc.bias")],
    {},
    { outputs: ["y"], name: "head" },
  );
}

const data = randomDataset({ x: [4, 8, 8] }, 32);
let trained: QuantizedCase;

beforeAll(async () => {
  const model = buildModel({ inputs: { x: ["N", 4, 8, 8] }, outputs: ["y"], build: network });
  trained = await quantizeCase(model, data);
});

const move = (name: string): MovedState | { obstacles: Obstacle[] } =>
  moveLayout(trained.prepared, trained, targetNamed(name));

describe("a state trained for ort-cpu", () => {
  test.each(["ort-web", "ort-cpu-no-vnni", "openvino", "generic"])(
    "is a file for %s, with the scales and codes that were trained",
    async (name) => {
      const moved = move(name);
      if ("obstacles" in moved) throw new Error(JSON.stringify(moved.obstacles));
      const { plan, state, floats } = moved;
      expect(plan.target).toBe(name);
      for (const [key, weight] of state.weights)
        expect(weight.codes).toEqual(trained.state.weights.get(key)?.codes);
      const scales = ({ activations }: QuantizationState): number[] =>
        Array.from(activations.values(), ({ scale }) => scale);
      expect(new Set(scales(trained.state))).toEqual(new Set([...scales(trained.state), ...scales(state)]));
      const model = putParameters(trained.prepared, floats);
      const exported = await exportModel(model, plan, state);
      for (const rule of targetNamed(name).verified.rules)
        expect(rule.check(exported.model), rule.name).toEqual([]);
      const reference = buildReference(model, plan, exported.state, exported.biases);
      const found = await verifyExport(exported.model, reference, plan, exported.state, data, {
        float: trained.prepared,
      });
      expect(found.sqnr).toBeGreaterThan(30);
    },
  );

  test("tells what qnn and tensorrt need that was not trained", () => {
    const obstacles = (name: string): Obstacle[] => {
      const moved = move(name);
      return "obstacles" in moved ? moved.obstacles : [];
    };
    expect(obstacles("qnn")).toContainEqual({
      node: "head",
      op: "Gemm",
      reason: '"y": its codes were not trained',
    });
    const [first] = obstacles("tensorrt");
    expect(first?.reason).toMatch(/its codes are uint8, and TensorRT takes int8 around zero/);
  });

  test("a layer that was left in float stays float", async () => {
    const model = buildModel({ inputs: { x: ["N", 4, 8, 8] }, outputs: ["y"], build: network });
    const other = await quantizeCase(model, data, { excludeNodes: ["head"] });
    const moved = moveLayout(other.prepared, other, targetNamed("generic"));
    if ("obstacles" in moved) throw new Error(JSON.stringify(moved.obstacles));
    expect(moved.plan.float.map(({ node }) => node)).toContain("head");
    expect(moved.state.weights.size).toBe(3);
  });
});
