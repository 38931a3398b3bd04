import { expect, test } from "vitest";
import type { Emitter } from "../../src/ir/emit.ts";
import { movementOf } from "../../src/ops/catalogue/catalogue.ts";
import { ortCpu } from "../../src/quantization/targets/ort-cpu.ts";
import { floats, ints, scalar, tensorOf } from "../../src/tensor/tensor.ts";
import { type Artifact, buildArtifact } from "../../src/training/artifact.ts";
import { buildModel } from "../support/build-model.ts";
import { emitConv, quantizeCase, randomDataset } from "../support/quantize-case.ts";

interface Case {
  /** Appends the operator behind `x` [8, 4, 8, 8]; its outputs that convolutions read. */
  move: (emit: Emitter, x: string) => string[];
}

const one = (value: string): string[] => [value];
const square = [4, 4, 3, 3] as const;

/** Operators that move or select codes and that ONNX Runtime runs on codes. */
const cases: Readonly<Record<string, Case>> = {
  Expand: {
    move: (e, x) => {
      const row = e.op("MaxPool", [x], { kernel_shape: [8, 1] });
      return one(e.op("Expand", [row, e.constant(ints([1, 1, 8, 8]))]));
    },
  },
  Flatten: {
    move: (e, x) => one(e.op("Reshape", [e.op("Flatten", [x]), e.constant(ints([0, 4, 8, 8]))])),
  },
  Gather: { move: (e, x) => one(e.op("Gather", [x, e.constant(ints([3, 1, 2, 0]))], { axis: 1 })) },
  GatherElements: {
    move: (e, x) => {
      const indices = tensorOf("int64", [8, 4, 8, 8], new BigInt64Array(2048).fill(2n));
      return one(e.op("GatherElements", [x, e.constant(indices, "indices")], { axis: 3 }));
    },
  },
  MaxPool: { move: (e, x) => one(e.op("MaxPool", [x], { kernel_shape: [2, 2] })) },
  ReduceMax: { move: (e, x) => one(e.op("ReduceMax", [x], { axes: [2], keepdims: 1 })) },
  ReduceMin: { move: (e, x) => one(e.op("ReduceMin", [x], { axes: [2], keepdims: 1 })) },
  Reshape: { move: (e, x) => one(e.op("Reshape", [x, e.constant(ints([0, 4, 4, 16]))])) },
  Resize: {
    move: (e, x) => one(e.op("Resize", [x, "", e.constant(floats([1, 1, 2, 2]))], { mode: "nearest" })),
  },
  Slice: {
    move: (e, x) => one(e.op("Slice", [x, ...[[0], [4], [2]].map((v) => e.constant(ints(v)))])),
  },
  Split: {
    move: (e, x) =>
      e.node("Split", [x, e.constant(ints([4, 4]))], { attributes: { axis: 2 }, outputCount: 2 }),
  },
  Squeeze: {
    move: (e, x) => {
      const wide = e.op("Reshape", [x, e.constant(ints([0, 1, 4, 64]))]);
      const flat = e.op("Squeeze", [wide, e.constant(ints([1]))]);
      return one(e.op("Reshape", [flat, e.constant(ints([0, 4, 8, 8]))]));
    },
  },
  Tile: { move: (e, x) => one(e.op("Tile", [x, e.constant(ints([1, 1, 2, 1]))])) },
  Transpose: { move: (e, x) => one(e.op("Transpose", [x], { perm: [0, 1, 3, 2] })) },
  Unsqueeze: {
    move: (e, x) => {
      const wide = e.op("Unsqueeze", [x, e.constant(ints([1]))]);
      return one(e.op("Reshape", [wide, e.constant(ints([0, 4, 8, 8]))]));
    },
  },
};

async function artifactOf(build: (emit: Emitter) => string): Promise<Artifact> {
  const model = buildModel({
    inputs: { x: [8, 4, 8, 8] },
    outputs: ["y"],
    build: (emit) => void emit.op("Identity", [build(emit)], {}, { outputs: ["y"] }),
  });
  const { prepared, plan, state } = await quantizeCase(model, randomDataset({ x: [4, 8, 8] }));
  return buildArtifact({
    model: prepared,
    plan,
    state,
    batch: 8,
    forward: ["integer"],
    loss: { kind: "mse", hasLabels: false },
    source: { file: "case.onnx", sha256: "0".repeat(64) },
  });
}

/** Convolutions of the source by the operator that computes each in the training graph's forward. */
function convolutions({ trainingModel }: Artifact): Record<string, string> {
  const forward = trainingModel.graph.nodes.filter(({ name }) => !name.includes("/grad"));
  return Object.fromEntries(
    forward.flatMap(({ name, opType }) => {
      const [, layer] = /^(conv\S*\/Conv)(?:\/QLinearConv)?$/.exec(name) ?? [];
      return layer === undefined ? [] : [[layer, opType]];
    }),
  );
}

test("every operator that moves codes is tried", () => {
  const movers = ortCpu.carries.flatMap((name) =>
    movementOf({ domain: "", opType: name, attributes: new Map() } as never) === undefined ? [] : [name],
  );
  // Preparation removes Identity.
  expect(movers.filter((name) => name !== "Identity").sort()).toEqual(Object.keys(cases).sort());
});

test.each(Object.entries(cases))(
  "a Conv behind %s is on an integer kernel in the training forward",
  async (_, entry) => {
    const artifact = await artifactOf((emit) => {
      const layers = entry.move(emit, "x").map((value) => emitConv(emit, value, square));
      return layers.reduce((sum, layer) => emit.op("Add", [sum, layer]));
    });
    const found = convolutions(artifact);
    expect(Object.keys(found)).toHaveLength(artifact.manifest.weights.length);
    expect(Object.values(found)).toEqual(Object.keys(found).map(() => "QLinearConv"));
    expect(artifact.manifest.floatLayers).toEqual([]);
  },
);

test("a layer that the integer forward computes in float is named, with the reason", async () => {
  // The training form keeps a Clip in front of its quantizer, so that nothing quantizes the Conv alone.
  const artifact = await artifactOf((emit) => {
    const clip = [-0.2, 0.3].map((bound) => emit.constant(scalar(bound)));
    const inner = emit.op("Clip", [emitConv(emit, "x", square), ...clip]);
    return emitConv(emit, inner, square);
  });
  const found = convolutions(artifact);
  const [first = "", second = ""] = Object.keys(found).sort();
  expect([found[first], found[second]].sort()).toEqual(["Conv", "QLinearConv"]);
  expect(artifact.manifest.floatLayers.map(({ node, op }) => ({ node, op }))).toEqual([
    { node: Object.keys(found).find((name) => found[name] === "Conv"), op: "Conv" },
  ]);
  expect(artifact.manifest.floatLayers[0]?.reason).toContain("a Clip stands between it and its quantizer");
});
