import { describe, expect, test } from "vitest";
import type { Graph } from "../../src/ir/model.ts";
import type { ConvWeightAlgorithm } from "../../src/lowering/choose.ts";
import type { DepthwiseWeightAlgorithm } from "../../src/lowering/choose-depthwise.ts";
import type { Algorithms, Question } from "../../src/lowering/algorithms.ts";
import { GradientBuilder } from "../../src/lowering/gradient-builder.ts";
import { ifAllRows } from "../../src/lowering/if-all-rows.ts";
import { inChunks } from "../../src/lowering/in-chunks.ts";
import { lowerGradientNodes } from "../../src/lowering/lower-gradient-nodes.ts";
import { type GradientOp, gradientDomain, windowAttributes } from "../../src/ops/gradient-nodes.ts";
import { buildModel } from "../support/build-model.ts";
import { costsOfAllRows } from "./costs-of-all-rows.ts";

/** [N, Ci, ...spatial] of x, rows of the weight, and its convolution: kernel, strides, groups. */
interface Layer {
  name: string;
  x: number[];
  rows: number;
  kernel: number[];
  stride?: number;
  group?: number;
}

const layers: Layer[] = [
  { name: "pointwise", x: [2, 6, 7, 7], rows: 5, kernel: [1, 1] },
  { name: "pointwise, strides", x: [2, 6, 7, 7], rows: 5, kernel: [1, 1], stride: 2 },
  { name: "plain", x: [2, 6, 7, 7], rows: 5, kernel: [3, 3] },
  { name: "plain, one image", x: [1, 6, 7, 7], rows: 5, kernel: [3, 3] },
  { name: "plain, strides", x: [2, 6, 7, 7], rows: 5, kernel: [3, 3], stride: 2 },
  { name: "plain, one axis", x: [2, 6, 17], rows: 5, kernel: [3], stride: 3 },
  { name: "grouped", x: [2, 6, 7, 7], rows: 4, kernel: [3, 3], group: 2 },
  { name: "grouped, strides", x: [2, 6, 7, 7], rows: 2, kernel: [3, 3], group: 2, stride: 2 },
  { name: "depthwise, small", x: [2, 6, 7, 7], rows: 6, kernel: [3, 3], group: 6 },
  { name: "depthwise, small, two rows a channel", x: [2, 6, 7, 7], rows: 12, kernel: [3, 3], group: 6 },
  { name: "depthwise", x: [2, 6, 14, 14], rows: 6, kernel: [3, 3], group: 6 },
  { name: "depthwise, two rows a channel", x: [2, 6, 14, 14], rows: 12, kernel: [3, 3], group: 6 },
  { name: "depthwise, wide", x: [2, 6, 40, 40], rows: 6, kernel: [3, 3], group: 6 },
  { name: "depthwise, large", x: [16, 64, 80, 80], rows: 64, kernel: [3, 3], group: 64 },
  { name: "depthwise, one axis", x: [2, 6, 90], rows: 6, kernel: [5], group: 6 },
  { name: "depthwise, three axes", x: [2, 6, 9, 9, 9], rows: 6, kernel: [3, 3, 3], group: 6 },
  { name: "depthwise, strides", x: [2, 6, 14, 15], rows: 6, kernel: [3, 3], group: 6, stride: 2 },
  { name: "depthwise, strides, 5x5", x: [2, 6, 14, 14], rows: 12, kernel: [5, 5], group: 6, stride: 2 },
  { name: "depthwise, strides, wide", x: [2, 6, 90, 90], rows: 6, kernel: [3, 3], group: 6, stride: 2 },
];

describe.each([true, false])("portable: %s", (portable) => {
  test.each(layers)("$name: a choice of rows comes before every cost", (layer) => {
    for (const { taken, graph } of loweredInEveryAlgorithm(convolution(layer), portable))
      expect(costsOfAllRows(graph), taken.join()).toEqual([]);
  });

  test("linear: a choice of rows comes before every cost", () => {
    const linear = weightGradient("LinearWeightGrad", { x: [8, 6], y: [8, 5] }, {});
    for (const { graph } of loweredInEveryAlgorithm(linear, portable))
      expect(costsOfAllRows(graph)).toEqual([]);
  });
});

test("these layers take every algorithm", () => {
  const algorithms: Record<ConvWeightAlgorithm | DepthwiseWeightAlgorithm, true> = {
    pointwise: true,
    "unfold-dy": true,
    "unfold-x": true,
    "spread-dy": true,
    "whole-maps": true,
    products: true,
    windows: true,
    "moved-dy": true,
    "moved-x": true,
    blocks: true,
    nchwc: true,
  };
  const lowered = layers.flatMap((layer) => loweredInEveryAlgorithm(convolution(layer), false));
  const seen = new Set(lowered.flatMap(({ taken }) => taken));
  expect(Object.keys(algorithms).filter((algorithm) => !seen.has(algorithm))).toEqual([]);
});

test("a cost of all rows is found before their choice, in a loop, and in the branch for some rows", () => {
  const { graph } = buildModel({
    inputs: { dy: [4, 3], rows: ["int64", "R"] },
    outputs: [],
    build(emit) {
      const b = new GradientBuilder(emit);
      b.op("Gather", [b.op("Exp", [b.reshape("dy", [3, 4])]), "rows"]);
      b.op("Gather", ["dy", b.ints([0, 1, 2, 3])]);
      b.op("Exp", [b.op("Gather", ["dy", "rows"])]);
      inChunks(b, "rows", { size: 2, width: 3 }, (chunk, which) =>
        chunk.op("Gather", [chunk.op("Abs", ["dy"]), which]),
      );
      ifAllRows(
        b,
        "rows",
        { count: 4, width: 3 },
        { all: (inner) => inner.op("Sin", ["dy"]), some: (inner) => inner.op("Cos", ["dy"]) },
      );
    },
  });
  expect(costsOfAllRows(graph)).toEqual(["Exp", "Gather_1", "Abs", "Cos"]);
});

function convolution({ x, rows, kernel, stride = 1, group = 1 }: Layer): Graph {
  const [images = 1, , ...inputs] = x;
  const padBegin = kernel.map((size) => size >> 1);
  const padded = inputs.map((size, axis) => size + 2 * (padBegin[axis] as number));
  const outputs = padded.map((size, axis) => Math.floor((size - (kernel[axis] as number)) / stride) + 1);
  const y = [images, rows, ...outputs];
  const [strides, dilations] = [kernel.map(() => stride), kernel.map(() => 1)];
  const window = windowAttributes({ kernel, strides, dilations, padBegin, padEnd: padBegin });
  return weightGradient("ConvWeightGrad", { x, y }, { ...window, x_shape: x, y_shape: y, group });
}

/** A graph of one abstract node that computes dw from x, dy and rows. */
function weightGradient(
  op: GradientOp,
  { x, y }: { x: number[]; y: number[] },
  attributes: Record<string, number | number[]>,
): Graph {
  return buildModel({
    inputs: { x, dy: y, rows: ["int64", "R"] },
    outputs: ["dw"],
    build: (emit) =>
      void emit.op(op, ["x", "dy", "rows"], attributes, { domain: gradientDomain, outputs: ["dw"] }),
  }).graph;
}

/** A graph lowered with every combination of answers to the questions that this asks, and the answers. */
function loweredInEveryAlgorithm(source: Graph, portable: boolean): { taken: string[]; graph: Graph }[] {
  const variants: { taken: string[]; graph: Graph }[] = [];
  const run = (forced: readonly string[]): void => {
    const asked: Question[] = [];
    const taken: string[] = [];
    const answer: Algorithms["answer"] = (question) => {
      taken.push(forced[asked.length] ?? (question.algorithms[0] as string));
      asked.push(question);
      return taken.at(-1) as string;
    };
    variants.push({
      graph: lowerGradientNodes(source, { portable, nchwc: !portable, algorithms: { answer } }),
      taken,
    });
    for (const [at, { algorithms }] of asked.entries())
      if (at >= forced.length) for (const other of algorithms.slice(1)) run([...taken.slice(0, at), other]);
  };
  run([]);
  return variants;
}
