import { expect, test } from "vitest";
import type { Emitter } from "../../src/ir/emit.ts";
import { withSession } from "../../src/runtime/open-model.ts";
import { viewAs } from "../../src/tensor/tensor.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { buildModel } from "../support/build-model.ts";
import { emitConv, quantizeCase, tensorDataset } from "../support/quantize-case.ts";
import { randomTensor } from "../support/random-tensor.ts";

/** Values in [-1, 1], of which most are at the ends, so that products are as large as they can be. */
function extremes(dims: readonly number[], seed: number, low: number): Tensor {
  const tensor = randomTensor(dims, seed, -2, 2);
  const values = viewAs(tensor, "float32");
  values.forEach((value, at) => (values[at] = Math.min(1, Math.max(low, value))));
  return tensor;
}

const conv =
  (shape: readonly number[], attributes: Record<string, number | number[]>) =>
  (emit: Emitter): void => {
    emitConv(emit, "x", [...shape], { bias: false, attributes, output: "y" });
    const [name = ""] = emit.graph.initializers.keys();
    emit.graph.initializers.set(name, extremes(shape, 5, -1));
  };
const linear =
  (op: "MatMul" | "Gemm", shape: readonly number[], attributes: Record<string, number> = {}) =>
  (emit: Emitter): void =>
    void emit.op(op, ["x", emit.constant(extremes(shape, 5, -1))], attributes, { outputs: ["y"] });

const pad = { pads: [1, 1, 1, 1] };

test.each<[string, readonly number[], (emit: Emitter) => void]>([
  ["Conv 1x1", [8, 6, 6], conv([5, 8, 1, 1], {})],
  ["Conv 3x3 of an odd number of channels", [3, 6, 6], conv([4, 3, 3, 3], pad)],
  ["Conv 3x3 of four channels", [4, 6, 6], conv([8, 4, 3, 3], pad)],
  ["Conv 3x3 of many channels", [16, 6, 6], conv([16, 16, 3, 3], pad)],
  ["Conv 5x3 with strides", [5, 9, 9], conv([7, 5, 5, 3], { strides: [2, 2] })],
  ["Conv in groups", [6, 6, 6], conv([8, 3, 3, 3], { ...pad, group: 2 })],
  ["depthwise Conv", [16, 6, 6], conv([16, 1, 3, 3], { ...pad, group: 16 })],
  ["Conv over one dimension", [5, 12], conv([6, 5, 3], {})],
  ["MatMul of an odd depth", [7, 13], linear("MatMul", [13, 9])],
  ["MatMul of a large depth", [3, 800], linear("MatMul", [800, 20])],
  ["Gemm", [30], linear("Gemm", [30, 5])],
  ["Gemm with a transposed weight", [31], linear("Gemm", [5, 31], { transB: 1 })],
])("%s for ort-cpu-no-vnni: sums are exact where kernels saturate", async (_, shape, build) => {
  const model = buildModel({ inputs: { x: ["N", ...shape] }, outputs: ["y"], build });
  const x = extremes([16, ...shape], 9, 0);
  const { exported } = await quantizeCase(model, tensorDataset({ x }), { target: "ort-cpu-no-vnni" });
  const run = (exactKernels: boolean): Promise<Record<string, Tensor>> =>
    withSession(exported.model, { exactKernels }, (session) => session.run({ x }));
  const [exact, own] = [await run(true), await run(false)];
  expect(viewAs(own["y"] as Tensor, "float32")).toEqual(viewAs(exact["y"] as Tensor, "float32"));
});
