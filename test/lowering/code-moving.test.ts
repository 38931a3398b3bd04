import { expect, test } from "vitest";
import { buildReference } from "../../src/export/reference-model.ts";
import type { Emitter } from "../../src/ir/emit.ts";
import { catalogue } from "../../src/ops/catalogue/catalogue.ts";
import type { OperatorRow } from "../../src/ops/catalogue/row.ts";
import { explainFloatLayers } from "../../src/lowering/integer/float-layers.ts";
import { planIntegerForward } from "../../src/lowering/integer/integer-forward.ts";
import { ortCpu } from "../../src/quantization/targets/ort-cpu.ts";
import { carries } from "../../src/quantization/targets/target.ts";
import { floats, ints, tensorOf } from "../../src/tensor/tensor.ts";
import { buildModel } from "../support/build-model.ts";
import { emitConv, quantizeCase, randomDataset } from "../support/quantize-case.ts";

type Move = (emit: Emitter, x: string) => string;

const list = (emit: Emitter, values: readonly number[], dims?: number[]): string =>
  emit.constant(ints(values, dims));
const doubled = (emit: Emitter): string => emit.constant(floats([1, 1, 2, 2]));
const all = (count: number, of: (index: number) => number = (index) => index): number[] =>
  Array.from({ length: count }, (_, index) => of(index));

/** Nodes of every operator that moves or selects elements, from 8 maps of [4, 8, 8] to maps of 4 channels. */
const moves: Readonly<Record<string, Move | undefined>> = {
  Flatten: (e, x) => e.op("Reshape", [e.op("Flatten", [x]), list(e, [8, 4, 8, 8])]),
  Reshape: (e, x) => e.op("Reshape", [e.op("Reshape", [x, list(e, [8, 4, 64])]), list(e, [8, 4, 8, 8])]),
  Squeeze: (e, x) => e.op("Squeeze", [e.op("Unsqueeze", [x, list(e, [2])]), list(e, [2])]),
  Unsqueeze: (e, x) => e.op("Squeeze", [e.op("Unsqueeze", [x, list(e, [1])]), list(e, [1])]),
  DepthToSpace: (e, x) =>
    e.op("SpaceToDepth", [e.op("DepthToSpace", [x], { blocksize: 2 })], { blocksize: 2 }),
  SpaceToDepth: (e, x) =>
    e.op("DepthToSpace", [e.op("SpaceToDepth", [x], { blocksize: 2 })], { blocksize: 2 }),
  Expand: (e, x) => e.op("Expand", [x, list(e, [8, 4, 8, 8])]),
  GatherElements: (e, x) =>
    e.op(
      "GatherElements",
      [
        x,
        list(
          e,
          all(2048, (index) => index % 8),
          [8, 4, 8, 8],
        ),
      ],
      { axis: 3 },
    ),
  GatherND: (e, x) =>
    e.op("GatherND", [
      x,
      list(
        e,
        all(8, (index) => 7 - index),
        [8, 1],
      ),
    ]),
  Identity: (e, x) => e.op("Identity", [x]),
  ReverseSequence: (e, x) =>
    e.op(
      "ReverseSequence",
      [
        x,
        list(
          e,
          all(8, () => 3),
        ),
      ],
      { batch_axis: 0, time_axis: 1 },
    ),
  Slice: (e, x) => e.op("Slice", [x, ...[[0], [6], [2]].map((each) => list(e, each))]),
  Tile: (e, x) => e.op("Tile", [x, list(e, [1, 1, 2, 1])]),
  Transpose: (e, x) => e.op("Transpose", [x], { perm: [0, 1, 3, 2] }),
  Gather: (e, x) => e.op("Gather", [x, list(e, [3, 1, 2, 0])], { axis: 1 }),
  Compress: (e, x) =>
    e.op("Compress", [x, e.constant(tensorOf("bool", [8], Uint8Array.of(1, 1, 0, 1, 1, 1, 0, 1)))], {
      axis: 2,
    }),
  TopK: (e, x) => e.node("TopK", [x, list(e, [6])], { attributes: { axis: 3 }, outputCount: 2 })[0] as string,
  // Its result has one dimension, and a length that depends on the data: no convolution can stand behind it.
  Unique: undefined,
  Resize: (e, x) => e.op("Resize", [x, "", doubled(e)]),
  // Replaced by Resize in opset 10.
  Upsample: undefined,
  Split: (e, x) => {
    const halves = e.node("Split", [x, list(e, [4, 4])], { attributes: { axis: 2 }, outputCount: 2 });
    return e.op("Concat", halves.toReversed(), { axis: 2 });
  },
  Pad: (e, x) => e.op("Pad", [x, list(e, [0, 0, 1, 1, 0, 0, 1, 1])], { mode: "edge" }),
  Concat: (e, x) => e.op("Concat", [x, x], { axis: 2 }),
  // Replaced by ScatterElements in opset 11.
  Scatter: undefined,
  ScatterElements: (e, x) =>
    e.op(
      "ScatterElements",
      [
        x,
        list(
          e,
          all(512, (index) => index % 2),
          [8, 4, 8, 2],
        ),
        narrowed(e, x),
      ],
      {
        axis: 3,
      },
    ),
  ScatterND: (e, x) =>
    e.op("ScatterND", [x, list(e, all(4), [4, 1]), e.op("Slice", [x, list(e, [0]), list(e, [4])])]),
  MaxPool: (e, x) => e.op("MaxPool", [x], { kernel_shape: [2, 2] }),
  GlobalMaxPool: (e, x) => e.op("GlobalMaxPool", [x]),
  ReduceMax: (e, x) => e.op("ReduceMax", [x], { axes: [2] }),
  ReduceMin: (e, x) => e.op("ReduceMin", [x], { axes: [3] }),
  Max: (e, x) => e.op("Max", [x, e.op("Transpose", [x], { perm: [0, 1, 3, 2] })]),
  Min: (e, x) => e.op("Min", [x, e.op("Transpose", [x], { perm: [0, 1, 3, 2] })]),
  Where: (e, x) => {
    const mask = e.constant(tensorOf("bool", [8], Uint8Array.of(1, 0, 1, 0, 1, 1, 0, 0)));
    return e.op("Where", [mask, x, e.op("Transpose", [x], { perm: [0, 1, 3, 2] })]);
  },
  // An operator of opset 24, which ONNX Runtime has no kernel for.
  TensorScatter: undefined,
};

const narrowed = (e: Emitter, x: string): string =>
  e.op("Slice", [x, ...[[0], [2], [3]].map((each) => list(e, each))]);

const moving = Object.entries(catalogue as Record<string, OperatorRow>)
  .filter(([, row]) => row.moves !== undefined)
  .map(([name]) => name);

test("every operator of the catalogue that moves elements is in this table", () => {
  expect(Object.keys(moves).sort()).toEqual([...moving].sort());
});

test.each(Object.entries(moves).flatMap(([op, move]) => (move === undefined ? [] : [[op, move] as const])))(
  "a Conv behind %s is in the integer forward, or it is said why not",
  async (op, move) => {
    const model = buildModel({
      inputs: { x: [8, 4, 8, 8] },
      outputs: ["y"],
      build: (e) => void emitConv(e, move(e, emitConv(e, "x", [4, 4, 3, 3])), [4, 4, 3, 3], { output: "y" }),
    });
    const data = randomDataset({ x: [4, 8, 8] }, 8);
    const { prepared, plan, exported } = await quantizeCase(model, data);
    const { graph } = buildReference(prepared, plan, exported.state, exported.biases);
    const places = planIntegerForward(graph, { portable: false });
    const behind = graph.nodes.findLast(({ opType }) => opType === "Conv")?.name ?? "";
    const reasons = explainFloatLayers(graph, places, new Set([behind]));
    expect(places.has(behind) || reasons.length > 0).toBe(true);
    if (!carries(ortCpu, op)) return;
    expect(reasons).toEqual([]);
    const movers = graph.nodes.filter(({ opType }) => opType === op);
    expect(movers.filter(({ name }) => !isOnCodes(name)).map(({ name }) => name)).toEqual([]);

    /** Whether a node has a kernel of its own, or is done to the codes that a kernel behind it reads. */
    function isOnCodes(name: string): boolean {
      return places.has(name) || plan.float.every(({ node }) => node !== name);
    }
  },
);
