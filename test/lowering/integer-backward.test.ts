import { reachableNodes } from "../../src/ir/graph.ts";
import { describe, expect, test } from "vitest";
import type { Model } from "../../src/ir/model.ts";
import { guessedAlgorithms } from "../../src/lowering/algorithms.ts";
import { headroom, lowerIntegerBackward } from "../../src/lowering/integer/integer-backward.ts";
import { planIntegerBackward, amaxName, withoutShortcuts } from "../../src/lowering/integer/plan-backward.ts";
import { lowerGradientNodes } from "../../src/lowering/lower-gradient-nodes.ts";
import { gradientDomain, type WindowProblem, windowAttributes } from "../../src/ops/gradient-nodes.ts";
import { withSession } from "../../src/runtime/open-model.ts";
import { elementCount, floats, ints, type Tensor, tensorOf, viewAs } from "../../src/tensor/tensor.ts";
import { buildModel } from "../support/build-model.ts";
import { needsExactKernels, saturates } from "../support/saturation.ts";

/** A convolution of x [2, 5, ...size] to 4 channels. */
function problemOf(size: number[], kernel: number[], more: Partial<WindowProblem> = {}): WindowProblem {
  const all = (value: number): number[] => size.map(() => value);
  const window = { strides: all(1), dilations: all(1), padBegin: all(0), padEnd: all(0), ...more };
  const outputs = size.map((count, axis) => {
    const at = (values: readonly number[]): number => values[axis] as number;
    const amax = at(window.dilations) * (at(kernel) - 1) + 1;
    return Math.floor((count + at(window.padBegin) + at(window.padEnd) - amax) / at(window.strides)) + 1;
  });
  return { ...window, x: [2, 5, ...size], y: [2, 4, ...outputs], kernel, group: 1 };
}

const problems = [
  problemOf([6, 7], [1, 1]),
  problemOf([6, 7], [3, 3], { padBegin: [1, 1], padEnd: [1, 1] }),
  problemOf([9, 8], [5, 4], { padBegin: [2, 1], padEnd: [1, 2] }),
  problemOf([9, 9], [3, 3], { dilations: [2, 1], padBegin: [2, 1], padEnd: [2, 1] }),
  problemOf([8, 8], [3, 3], { strides: [2, 2], padBegin: [1, 1], padEnd: [1, 1] }),
  problemOf([7, 9], [3, 3], { strides: [2, 2], padBegin: [1, 1], padEnd: [1, 1] }),
  problemOf([8, 6], [1, 1], { strides: [2, 2] }),
  problemOf([9, 8], [2, 3], { strides: [3, 2], padBegin: [0, 1], padEnd: [0, 1] }),
  problemOf([10, 6], [3, 1], { strides: [2, 1], dilations: [3, 1], padBegin: [3, 0], padEnd: [3, 0] }),
  problemOf([11], [3], { strides: [2], padBegin: [1], padEnd: [1] }),
  problemOf([4, 5, 6], [3, 3, 3], { padBegin: [1, 1, 1], padEnd: [1, 1, 1], strides: [1, 2, 1] }),
];

const scales = { weight: 0.01, x: 0.05 };
const zeroOfX = 17;

/** dx and dw[rows] of a convolution by abstract nodes, from float dy and the codes of x and w. */
function gradients(problem: WindowProblem): Model {
  const weightShape = [problem.y[1] as number, problem.x[1] as number, ...problem.kernel];
  return buildModel({
    inputs: {
      dy: problem.y,
      x_codes: ["uint8", ...problem.x],
      codes: ["int8", ...weightShape],
      scale: [problem.y[1]],
      rows: ["int64", 2],
    },
    outputs: ["dx", "dw"],
    build(emit) {
      const shapes = { x_shape: problem.x, y_shape: problem.y, group: 1 };
      const attributes = { ...windowAttributes(problem), ...shapes };
      const zero = emit.constant(tensorOf("uint8", [], Uint8Array.of(zeroOfX)));
      const step = emit.constant(floats(Float32Array.of(scales.x), []));
      const x = emit.op("DequantizeLinear", ["x_codes", step, zero], {}, { outputs: ["x"] });
      const w = emit.op("DequantizeLinear", ["codes", "scale"], { axis: 0 });
      const abstract = { domain: gradientDomain };
      emit.op("ConvDataGrad", ["dy", w, "codes", "scale"], attributes, { ...abstract, outputs: ["dx"] });
      emit.op("ConvWeightGrad", [x, "dy", "rows"], attributes, { ...abstract, outputs: ["dw"] });
    },
  });
}

/** Numbers that look random, from `low` to `high`, both of which occur. */
function spread(count: number, low: number, high: number): number[] {
  const values = Array.from({ length: count }, (_, i) => low + ((i * 7919 + 31) % (high - low + 1)));
  return [low, high, ...values].slice(0, count);
}

/** Whole numbers for dy, so that its codes are exact, and codes of w that are exact after their axes are swapped. */
function feedsOf(problem: WindowProblem): Record<string, Tensor> {
  const [rows, channels] = [problem.y[1] as number, problem.x[1] as number];
  const taps = elementCount(problem.kernel);
  const codes = Int8Array.from(spread(rows * channels * taps, -127, 127));
  for (let channel = 0; channel < channels; channel++) codes[channel * taps] = 127;
  return {
    dy: floats(Float32Array.from(spread(elementCount(problem.y), -128, 127)), problem.y),
    x_codes: tensorOf("uint8", problem.x, Uint8Array.from(spread(elementCount(problem.x), 0, 255))),
    codes: tensorOf("int8", [rows, channels, ...problem.kernel], codes),
    scale: floats(new Float32Array(rows).fill(scales.weight), [rows]),
    rows: ints([3, 1]),
  };
}

async function run(model: Model, feeds: Record<string, Tensor>): Promise<Record<string, Float32Array>> {
  const graph = lowerGradientNodes(model.graph, { portable: false, algorithms: guessedAlgorithms });
  const opsets = new Map([...model.opsets, ["com.microsoft", 1] as const]);
  const results = await withSession({ ...model, graph, opsets }, { threads: 1 }, (session) =>
    session.run(Object.fromEntries(session.inputs.map(({ name }) => [name, feeds[name] as Tensor]))),
  );
  return Object.fromEntries(Object.entries(results).map(([name, value]) => [name, viewAs(value, "float32")]));
}

const largest = (values: Float32Array): number =>
  values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

describe.skipIf(saturates)(needsExactKernels, () => {
  test.each(problems)("x $x, kernel $kernel, strides $strides, dilations $dilations", async (problem) => {
    const model = gradients(problem);
    const feeds = feedsOf(problem);
    const exact = (await run(model, feeds)) as { dx: Float32Array; dw: Float32Array };
    const plan = planIntegerBackward(model.graph);
    expect([...plan.coded, ...plan.entries]).toEqual(["dx", "dy"]);
    // Codes reach farther than measured; here just as far as dx.
    const ofDx = largest(exact.dx) / headroom;
    const amax = new Map([
      [amaxName("dx"), ofDx],
      [amaxName("dy"), 127.5],
    ]);
    const graph = lowerIntegerBackward(model.graph, plan, { amax, integerForward: true });
    const kernels = graph.nodes.map(({ opType }) => opType);
    expect(kernels).toContain("QLinearConv");
    expect(kernels).toContain("MatMulInteger");
    expect(graph.nodes.filter(({ domain }) => domain === gradientDomain)).toEqual([]);
    const coded = (await run({ ...model, graph }, feeds)) as { dx: Float32Array; dw: Float32Array };
    expect(coded.dx.length).toBe(exact.dx.length);
    const step = (headroom * ofDx) / 127.5;
    const error = largest(coded.dx.map((value, i) => value - (exact.dx[i] as number)));
    // Rounding to codes; the farthest one saturates at 127 of 127.5.
    expect(error).toBeLessThan(0.501 * step);
    expect(error).toBeGreaterThan(0.1 * step);
    // Weight gradients are sums of integers.
    const difference = largest(coded.dw.map((value, i) => value - (exact.dw[i] as number)));
    expect(difference).toBeLessThan(1e-5 * largest(exact.dw));
  });
});

test("shortcuts to inner products of rounded gradients are left out, and what only they read is not counted", () => {
  const abstract = { domain: gradientDomain };
  const { graph } = buildModel({
    inputs: { da: [2], db: [2], x: [2], s: [] },
    outputs: ["dx", "product"],
    build(emit) {
      const parts = ["da", "db"].map((g) => emit.op("InnerProduct", [g, "x", "s"], { shape: [2] }, abstract));
      emit.op("Add", ["da", "db"], {}, { outputs: ["dx"] });
      const sum = emit.op("Add", parts);
      emit.op("InnerProduct", ["dx", "x", sum], { shape: [2] }, { ...abstract, outputs: ["product"] });
    },
  });
  const productsWith = (coded: string[]): string[][] => {
    const plan = {
      coded: new Set(coded),
      entries: new Set<string>(),
      products: new Set<string>(),
      shapes: new Map(),
    };
    const { nodes } = reachableNodes(withoutShortcuts(graph, plan), ["dx", "product"]);
    return nodes.filter(({ opType }) => opType === "InnerProduct").map(({ inputs }) => inputs.slice(0, 2));
  };
  expect(productsWith(["da", "db", "dx"])).toEqual([["dx", "x"]]);
  expect(productsWith(["da"])).toEqual([
    ["da", "x"],
    ["db", "x"],
    ["dx", "x"],
  ]);
});
