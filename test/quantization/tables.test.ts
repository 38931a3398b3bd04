import { expect, test } from "vitest";
import { differentiate } from "../../src/autodiff/differentiate.ts";
import { createModel, createValue } from "../../src/ir/graph.ts";
import type { Graph } from "../../src/ir/model.ts";
import { gatherCodes } from "../../src/lowering/integer/gather-codes.ts";
import { insertQuantizers } from "../../src/quantization/insert.ts";
import { computeState } from "../../src/quantization/parameters.ts";
import { planQuantization } from "../../src/quantization/plan.ts";
import { encodeModel } from "../../src/onnx/index.ts";
import { prepareModel } from "../../src/passes/prepare.ts";
import { withSession } from "../../src/runtime/open-model.ts";
import { floats, ints, type Tensor, tensorOf, viewAs } from "../../src/tensor/tensor.ts";
import { buildModel } from "../support/build-model.ts";
import { randomTensor } from "../support/random-tensor.ts";

const [entries, width] = [600, 32];

const embedding = (options: { entries?: number; twice?: boolean } = {}) =>
  buildModel({
    inputs: { ids: ["int64", "batch", "length"] },
    outputs: ["y"],
    build(emit) {
      const table = emit.constant(randomTensor([options.entries ?? entries, width], 3, -1, 1), "table");
      const rows = emit.op("Gather", [table, "ids"], {}, { name: "words" });
      const twice = options.twice === true ? emit.op("Add", [rows, emit.op("Gather", [table, "ids"])]) : rows;
      emit.op("Tanh", [twice], {}, { outputs: ["y"] });
    },
  });

const outputOf = async (model: ReturnType<typeof embedding>): Promise<Float32Array> => {
  const feeds = { ids: ints([0, 7, entries - 1, 7, 5, -1], [2, 3]) };
  const found = await withSession(model, { threads: 1 }, (session) => session.run(feeds));
  return viewAs(found["y"] as Tensor, "float32");
};

test.each(["train", "deploy"] as const)("a table is a quarter as large, form %s", async (form) => {
  for (const twice of [false, true]) {
    const prepared = await prepareModel(embedding({ twice }));
    const plan = planQuantization(prepared, {});
    expect(plan.weights).toMatchObject([{ name: "table", op: "Gather", axis: 0, bits: 8 }]);
    const state = computeState(prepared, plan, new Map(), {});
    const quantized = insertQuantizers(prepared, plan, state, { form });
    expect(encodeModel(quantized).length).toBeLessThan(0.35 * encodeModel(prepared).length);
    const [expected, found] = [await outputOf(prepared), await outputOf(quantized)];
    const error = found.reduce((most, y, i) => Math.max(most, Math.abs(y - (expected[i] as number))), 0);
    expect(error).toBeLessThan((twice ? 1.01 : 0.505) / 127);
    expect(error).toBeGreaterThan(0);
    const ops = quantized.graph.nodes.map(({ opType }) => opType);
    expect(ops.includes("DequantizeLinear")).toBe(form === "train");
  }
});

test("small tables, and tables of targets that gather floats, stay as they are", async () => {
  expect(planQuantization(await prepareModel(embedding({ entries: 60 })), {}).weights).toEqual([]);
  const large = await prepareModel(embedding());
  expect(planQuantization(large, { target: "tensorrt" }).weights).toEqual([]);
});

/** loss = <dy, rows of a table of 6x3 at 2x3 indices>. */
function lossGraph(): Graph {
  const model = buildModel({
    inputs: { codes: ["int8", 6, 3], scale: [6], ids: ["int64", 2, 3], dy: [2, 3, 3], rows: ["int64", "R"] },
    outputs: [],
    opset: 18,
    build(emit) {
      const typed = (name: string, dims: number[]) => {
        emit.graph.valueInfo.set(name, createValue(name, "float32", dims));
        return { outputs: [name] };
      };
      emit.op("DequantizeLinear", ["codes", "scale"], { axis: 0 }, typed("table", [6, 3]));
      emit.op("Gather", ["table", "ids"], { axis: 0 }, typed("picked", [2, 3, 3]));
      emit.op("Mul", ["picked", "dy"], {}, typed("product", [2, 3, 3]));
      emit.op("ReduceSum", ["product"], { keepdims: 0 }, typed("loss", []));
    },
  });
  return model.graph;
}

test.each([[[4, 1]], [[0, 1, 2, 3, 4, 5]], [[] as number[]]])(
  "gradients of the rows %j alone",
  async (rows) => {
    const { graph, gradients } = differentiate(lossGraph(), {
      loss: "loss",
      parameters: ["scale"],
      opset: 18,
      weights: [{ codes: "codes", scale: "scale", rows: "rows" }],
    });
    const names = ["loss", ...["codes", "scale"].map((name) => gradients.get(name) as string)];
    graph.outputs = names.map((name) => ({ name, type: undefined }));
    gatherCodes(graph);
    const ids = [1, 4, -2, 0, 4, 3];
    const codes = Int8Array.from({ length: 18 }, (_, i) => ((i * 37) % 255) - 127);
    const dy = Float32Array.from({ length: 18 }, (_, i) => Math.sin(i + 1));
    const scale = Float32Array.from({ length: 6 }, (_, i) => 0.1 * (i + 1));
    const feeds = {
      codes: tensorOf("int8", [6, 3], codes),
      scale: floats(scale),
      ids: ints(ids, [2, 3]),
      dy: floats(dy, [2, 3, 3]),
      rows: ints(rows),
    };
    const found = await withSession(createModel(graph, 18), { threads: 1 }, (session) => session.run(feeds));
    const [loss, dw, ds] = names.map((name) => viewAs(found[name] as Tensor, "float32")) as [
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    const whole = new Float64Array(18);
    ids.forEach((id, token) => {
      for (let i = 0; i < 3; i++) whole[((id + 6) % 6) * 3 + i]! += dy[token * 3 + i] as number;
    });
    const close = (values: Float32Array, expected: number[]): void => {
      expect(values.length).toBe(expected.length);
      expected.forEach((value, i) => expect(values[i]).toBeCloseTo(value, 4));
    };
    close(
      dw,
      rows.flatMap((row) => [...whole.slice(3 * row, 3 * row + 3)]),
    );
    const dots = Array.from({ length: 6 }, (_, row) =>
      [0, 1, 2].reduce((sum, i) => sum + whole[3 * row + i]! * (codes[3 * row + i] as number), 0),
    );
    close(ds, dots);
    close(loss, [dots.reduce((sum, dot, row) => sum + dot * (scale[row] as number), 0)]);
    expect(graph.nodes.some(({ opType, inputs }) => opType === "Gather" && inputs[0] === "codes")).toBe(true);
  },
);
