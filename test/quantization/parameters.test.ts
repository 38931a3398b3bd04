import { describe, expect, test } from "vitest";
import { cloneModel } from "../../src/ir/clone.ts";
import type { Model } from "../../src/ir/model.ts";
import { prepareModel } from "../../src/passes/prepare.ts";
import { computeState, observedTensors } from "../../src/quantization/parameters.ts";
import { planQuantization } from "../../src/quantization/plan.ts";
import { findWeightScales } from "../../src/quantization/weight-scales.ts";
import { encodeWeight } from "../../src/quantization/encode-weight.ts";
import { encodeBias, enlargeForBias } from "../../src/quantization/bias-guard.ts";
import { snapBiases } from "../../src/quantization/snap-biases.ts";
import type { QuantizationState, QuantizedWeight } from "../../src/quantization/types.ts";
import { rowLayout } from "../../src/tensor/rows.ts";
import { floats, viewAs } from "../../src/tensor/tensor.ts";
import { buildModel } from "../support/build-model.ts";
import { catchUserError } from "../support/catch-error.ts";
import { randomTensor } from "../support/random-tensor.ts";

/** x [N, 3] times w [3, 2] plus b. */
async function linear(w: readonly number[], b: readonly number[]): Promise<Model> {
  return prepareModel(
    buildModel({
      inputs: { x: ["N", 3] },
      outputs: ["y"],
      build: (emit) => {
        const inputs = ["x", emit.constant(floats(w, [3, 2]), "w"), emit.constant(floats(b), "b")];
        emit.op("Gemm", inputs, {}, { outputs: ["y"] });
      },
    }),
  );
}

async function stateOf(
  w: readonly number[],
  b: readonly number[],
  range = { min: -1, max: 1 },
): Promise<QuantizationState> {
  const model = await linear(w, b);
  return computeState(model, planQuantization(model), new Map([["x", range]]));
}

describe("computeState", () => {
  test("what to calibrate", async () => {
    const model = await linear([1, 2, 3, 4, 5, 6], [0, 0]);
    expect([...observedTensors(planQuantization(model, { abits: 4, firstLast: "same" }))]).toEqual([
      ["x", { qmin: 0, qmax: 15, symmetric: false }],
    ]);
  });

  test("rows run along the axis of output channels", async () => {
    const { weights } = await stateOf([127, 2, -63, 4, 1, -8], [0, 0]);
    const w = weights.get("w") as QuantizedWeight;
    expect([...w.scale]).toEqual([1, Math.fround(8 / 127)]);
    expect([...w.codes]).toEqual([127, 32, -63, 64, 1, -127]);
    expect(w).toMatchObject({ axis: 1, qmin: -127, qmax: 127, shape: [3, 2], enlargedRows: [] });
  });

  test("a row of zeros takes the scale of the others", async () => {
    const { weights } = await stateOf([127, 0, -63, 0, 1, 0], [0, 0]);
    expect([...(weights.get("w")?.scale ?? [])]).toEqual([1, 1]);
    const none = await stateOf([0, 0, 0, 0, 0, 0], [1, 2]);
    expect([...(none.weights.get("w")?.scale ?? [])]).toEqual([1, 1]);
  });

  test("a weight scale is enlarged where an int32 bias would overflow, and only there", async () => {
    const { weights, activations } = await stateOf([1e-9, 1, -1e-9, 1, 0, 1], [1000, 1000]);
    const w = weights.get("w") as QuantizedWeight;
    expect(w.enlargedRows).toEqual([0]);
    const scale = activations.get("x")?.scale as number;
    const { codes, scales } = encodeBias(Float32Array.of(1000, 1000), w.scale, scale);
    for (const [c, code] of codes.entries()) {
      expect(Math.abs(code)).toBeLessThan(2 ** 31 - 1);
      expect(Math.abs(code * (scales[c] as number) - 1000)).toBeLessThan(1e-3);
    }
    expect([...w.codes.filter((_, i) => i % 2 === 0)]).toEqual([0, 0, 0]);
  });

  test("NaN and Inf in weights, biases and ranges are named", async () => {
    const model = await linear([1, 1, 1, 1, 1, 1], [0, 0]);
    const plan = planQuantization(model);
    const failure = (
      name: string,
      values: readonly number[],
      dims: readonly number[],
      range = { min: 0, max: 1 },
    ) => {
      const broken = cloneModel(model);
      broken.graph.initializers.set(name, floats(values, dims));
      return catchUserError(() => computeState(broken, plan, new Map([["x", range]])));
    };
    const weight = await failure("w", [1, NaN, 1, 1, 1, 1], [3, 2]);
    expect(weight.message).toContain('"w" holds NaN or Inf in row 1');
    const bias = await failure("b", [0, Infinity], [2]);
    expect(bias.message).toContain('"b"');
    const range = await failure("b", [0, 0], [2], { min: NaN, max: 1 });
    expect(range.message).toContain('"x"');
  });
});

describe("weight scales", () => {
  const layout = rowLayout([6, 50], 0);
  const data = viewAs(randomTensor([6, 50], 1), "float32").map((x) => x ** 7);
  const codes = { qmin: -8, qmax: 7 };
  const errorOf = (scales: Float32Array): number => {
    const found = encodeWeight(data, layout, scales, codes);
    return data.reduce(
      (sum, x, i) => sum + (x - (found[i] as number) * (scales[Math.floor(i / 50)] as number)) ** 2,
      0,
    );
  };

  test("the search never does worse than min-max, and better on long tails", () => {
    const minmax = findWeightScales("w", data, layout, codes, "minmax");
    const mse = findWeightScales("w", data, layout, codes, "mse");
    expect(errorOf(mse)).toBeLessThan(0.95 * errorOf(minmax));
    for (const [c, scale] of mse.entries()) expect(scale).toBeLessThanOrEqual(minmax[c] as number);
  });

  test("no scale of a fine grid is clearly better than the one found", () => {
    const found = errorOf(findWeightScales("w", data, layout, codes, "mse"));
    const minmax = findWeightScales("w", data, layout, codes, "minmax");
    let best = 0;
    for (let c = 0; c < 6; c++) {
      let least = Infinity;
      for (let share = 0.2; share <= 1; share += 0.002) {
        const row = data.slice(50 * c, 50 * c + 50);
        const scale = Float32Array.of((minmax[c] as number) * share);
        const rowCodes = encodeWeight(row, rowLayout([1, 50], 0), scale, codes);
        least = Math.min(
          least,
          row.reduce((sum, x, i) => sum + (x - (rowCodes[i] as number) * (scale[0] as number)) ** 2, 0),
        );
      }
      best += least;
    }
    expect(found).toBeLessThan(1.02 * best);
  });
});

describe("biases", () => {
  test("the guard leaves what fits alone", () => {
    const scales = Float32Array.of(1e-3, 1e-12);
    expect(enlargeForBias(scales, Float32Array.of(5, 5), 1e-2)).toEqual([1]);
    expect(scales[0]).toBe(Math.fround(1e-3));
    expect(5 / ((scales[1] as number) * 1e-2)).toBeLessThan(2 ** 31 - 1);
  });

  test("snapping is what the deployed bias computes, and idempotent", async () => {
    const state = await stateOf([1, 2, 3, 4, 5, 6], [0.1234, -0.777]);
    const once = snapBiases(state, new Map([["b", Float32Array.of(0.1234, -0.777)]]));
    const step = (state.weights.get("w")?.scale ?? []).map(
      (s) => s * (state.activations.get("x")?.scale ?? NaN),
    );
    for (const [c, value] of (once.get("b") ?? []).entries()) {
      expect(Math.abs(value - [0.1234, -0.777][c]!)).toBeLessThanOrEqual(0.5001 * (step[c] as number));
      expect(Math.abs(value / (step[c] as number) - Math.round(value / (step[c] as number)))).toBeLessThan(
        1e-3,
      );
    }
    expect(snapBiases(state, once)).toEqual(once);
  });
});
