import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { UserError } from "../../src/errors.ts";
import { float, graphAttribute, string } from "../../src/ir/attributes.ts";
import { Emitter } from "../../src/ir/emit.ts";
import { createGraph } from "../../src/ir/graph.ts";
import type { Model } from "../../src/ir/model.ts";
import { createContext } from "../../src/passes/define-pass.ts";
import { inferTypes } from "../../src/passes/infer-types.ts";
import { compatibleVersions } from "../../src/passes/raise-opset/compatible-versions.ts";
import { raiseOpset, raiseRange } from "../../src/passes/raise-opset/raise-opset.ts";
import { raiseRules } from "../../src/passes/raise-opset/rules.ts";
import { withTypes } from "../../src/passes/record-types.ts";
import { floats, ints } from "../../src/tensor/tensor.ts";
import { buildModel } from "../support/build-model.ts";
import { checkPass } from "../support/pass-case.ts";
import { randomTensor } from "../support/random-tensor.ts";

interface Raise {
  name: string;
  from: number;
  to: number;
  shape?: (number | string)[];
  outputs?: string[];
  build: (emit: Emitter) => void;
}

const out = { outputs: ["y"] };
const reductions = ["L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "SumSquare"];

const cases: Raise[] = [
  { name: "add-only-types", from: 7, to: 21, build: (e) => void e.op("Add", ["x", "x"], {}, out) },
  {
    name: "batch-norm",
    from: 8,
    to: 15,
    shape: ["N", 3, 4],
    build(e) {
      const p = [1, 2, 3, 4].map((seed) => e.constant(randomTensor([3], seed, 0.1), `p${seed}`));
      e.op("BatchNormalization", ["x", ...p], { spatial: 1 }, out);
    },
  },
  {
    name: "clip",
    from: 7,
    to: 13,
    build: (e) => void e.op("Clip", ["x"], { min: float(-0.5), max: float(0.25) }, out),
  },
  {
    name: "clip-one-sided",
    from: 10,
    to: 11,
    build: (e) => void e.op("Clip", ["x"], { max: float(0.25) }, out),
  },
  { name: "dropout", from: 7, to: 13, build: (e) => void e.op("Dropout", ["x"], { ratio: float(0.3) }, out) },
  {
    name: "grid-sample",
    from: 16,
    to: 20,
    shape: [2, 2, 5, 5],
    build: (e) =>
      void e.op("GridSample", ["x", e.constant(randomTensor([2, 3, 3, 2], 5))], { mode: "bilinear" }, out),
  },
  ...["Softmax", "LogSoftmax"].flatMap((op) => [
    {
      name: `${op}-default`,
      from: 7,
      to: 13,
      shape: ["N", 6],
      build: (e: Emitter) => void e.op(op, ["x"], {}, out),
    },
    {
      name: `${op}-rows`,
      from: 11,
      to: 13,
      shape: ["N", 3, 4],
      build: (e: Emitter) => void e.op(op, ["x"], { axis: 1 }, out),
    },
    {
      name: `${op}-trailing-ones`,
      from: 12,
      to: 13,
      shape: ["N", 3, 1, 1],
      build: (e: Emitter) => void e.op(op, ["x"], { axis: -3 }, out),
    },
  ]),
  {
    name: "hardmax",
    from: 7,
    to: 13,
    shape: ["N", 2, 3],
    build: (e) => void e.op("Hardmax", ["x"], {}, out),
  },
  {
    name: "pad",
    from: 7,
    to: 13,
    build: (e) => void e.op("Pad", ["x"], { pads: [0, 1, 0, 2], value: float(1.5) }, out),
  },
  {
    name: "pad-edge",
    from: 10,
    to: 11,
    build: (e) => void e.op("Pad", ["x"], { pads: [0, 1, 0, 0], mode: "edge" }, out),
  },
  ...reductions.map((kind) => ({
    name: `reduce-${kind}`,
    from: 13,
    to: 18,
    shape: ["N", 3, 4],
    build(e: Emitter) {
      const positive = e.op("Add", ["x", e.constant(floats([2], []))]);
      e.op(`Reduce${kind}`, [positive], { axes: [1], keepdims: 0 }, out);
    },
  })),
  { name: "reduce-sum", from: 11, to: 13, build: (e) => void e.op("ReduceSum", ["x"], { axes: [-1] }, out) },
  { name: "reduce-mean-all", from: 11, to: 18, build: (e) => void e.op("ReduceMean", ["x"], {}, out) },
  {
    name: "upsample-attribute",
    from: 7,
    to: 13,
    shape: ["N", 2, 3, 3],
    build: (e) =>
      void e.op("Upsample", ["x"], { mode: "nearest", scales: { type: "floats", value: [1, 1, 2, 3] } }, out),
  },
  {
    name: "upsample-linear",
    from: 9,
    to: 19,
    shape: ["N", 2, 3, 3],
    build: (e) => void e.op("Upsample", ["x", e.constant(floats([1, 1, 2, 2]))], { mode: "linear" }, out),
  },
  {
    name: "resize-nearest-down",
    from: 10,
    to: 13,
    shape: ["N", 2, 6, 6],
    build: (e) => void e.op("Resize", ["x", e.constant(floats([1, 1, 0.5, 0.4]))], { mode: "nearest" }, out),
  },
  {
    name: "resize-sizes",
    from: 11,
    to: 19,
    shape: ["N", 2, 4, 4],
    build(e) {
      const none = e.constant(floats([]), "none");
      const sizes = e.constant(ints([2, 2, 7, 7]), "sizes");
      e.op("Resize", ["x", none, none, sizes], { mode: "linear" }, out);
    },
  },
  {
    name: "roi-align",
    from: 10,
    to: 16,
    shape: ["N", 2, 6, 6],
    build(e) {
      const rois = e.constant(floats([0, 0, 4, 4, 1, 1, 5, 5], [2, 4]), "rois");
      e.op(
        "RoiAlign",
        ["x", rois, e.constant(ints([0, 1]), "batches")],
        { output_height: 2, output_width: 2 },
        out,
      );
    },
  },
  {
    name: "scatter",
    from: 9,
    to: 13,
    build(e) {
      const indices = e.constant(ints([1, 0], [1, 2]), "indices");
      e.op("Scatter", ["x", indices, e.constant(floats([5, 6], [1, 2]), "updates")], { axis: 1 }, out);
    },
  },
  {
    name: "slice",
    from: 7,
    to: 13,
    build: (e) => void e.op("Slice", ["x"], { axes: [1], starts: [1], ends: [-1] }, out),
  },
  {
    name: "slice-all-axes",
    from: 9,
    to: 10,
    build: (e) => void e.op("Slice", ["x"], { starts: [0, 1], ends: [1, 3] }, out),
  },
  {
    name: "split",
    from: 11,
    to: 13,
    outputs: ["a", "b"],
    build: (e) =>
      void e.node("Split", ["x"], { attributes: { axis: 1, split: [1, 3] }, outputs: ["a", "b"] }),
  },
  {
    name: "split-equal",
    from: 11,
    to: 18,
    outputs: ["a", "b"],
    build: (e) => void e.node("Split", ["x"], { attributes: { axis: 1 }, outputs: ["a", "b"] }),
  },
  {
    name: "squeeze",
    from: 7,
    to: 13,
    shape: ["N", 1, 4],
    build: (e) => void e.op("Squeeze", ["x"], { axes: [1] }, out),
  },
  {
    name: "top-k",
    from: 7,
    to: 11,
    outputs: ["v", "i"],
    build: (e) => void e.node("TopK", ["x"], { attributes: { k: 2 }, outputs: ["v", "i"] }),
  },
  { name: "unsqueeze", from: 7, to: 13, build: (e) => void e.op("Unsqueeze", ["x"], { axes: [0, 3] }, out) },
];

async function typed(model: Model): Promise<Model> {
  return withTypes(model, await inferTypes(model));
}

describe("every rule keeps what the model computes", () => {
  test.each(cases)(
    "$name, $from to $to",
    async ({ name, from, to, shape = ["N", 4], outputs = ["y"], build }) => {
      const model = await typed(buildModel({ inputs: { x: shape }, outputs, opset: from, build }));
      const { model: raised } = await checkPass({
        pass: raiseOpset(to),
        model,
        golden: `raise-opset-${name.toLowerCase()}`,
        tolerance: 1e-6,
      });
      expect(raised.opsets.get("")).toBe(to);
    },
  );

  test("subgraphs are raised too", async () => {
    const body = createGraph("then");
    body.outputs = [{ name: "t", type: undefined }];
    const other = createGraph("else");
    other.outputs = [{ name: "f", type: undefined }];
    new Emitter(body).op("Unsqueeze", ["x"], { axes: [0] }, { outputs: ["t"] });
    new Emitter(other).op(
      "Clip",
      [new Emitter(other).op("Unsqueeze", ["x"], { axes: [0] })],
      { min: float(0) },
      { outputs: ["f"] },
    );
    const model = buildModel({
      inputs: { x: [2, 4] },
      outputs: ["y"],
      opset: 10,
      build(e) {
        const sum = e.op("ReduceSum", ["x"], { keepdims: 0 });
        const positive = e.op("Greater", [sum, e.constant(floats([0], []))]);
        e.op(
          "If",
          [positive],
          { then_branch: graphAttribute(body), else_branch: graphAttribute(other) },
          out,
        );
      },
    });
    await checkPass({ pass: raiseOpset(13), model, golden: "raise-opset-subgraph", tolerance: 0 });
  });
});

describe("refusals", () => {
  const refusals: [string, number, number, string, (e: Emitter) => void][] = [
    [
      "tf_half_pixel_for_nn",
      11,
      13,
      "is gone",
      (e) =>
        void e.op(
          "Resize",
          ["x", e.constant(floats([])), e.constant(floats([2, 2]))],
          { coordinate_transformation_mode: string("tf_half_pixel_for_nn") },
          out,
        ),
    ],
    ["unknown rank", 11, 13, "rank of its input", (e) => void e.op("Softmax", ["x"], {}, out)],
    [
      "mixed scales",
      10,
      13,
      "enlarges some axes",
      (e) => void e.op("Resize", ["x", e.constant(floats([2, 0.5]))], {}, out),
    ],
    [
      "spatial",
      7,
      13,
      "spatial=0",
      (e) => void e.op("BatchNormalization", ["x", "x", "x", "x", "x"], { spatial: 0 }, out),
    ],
    [
      "mask",
      7,
      13,
      "mask is read",
      (e) => void e.op("Identity", [e.node("Dropout", ["x"], { outputs: ["d", "m"] })[1] as string], {}, out),
    ],
    [
      "group norm",
      18,
      21,
      "per group to per channel",
      (e) => void e.op("GroupNormalization", ["x", "x", "x"], { num_groups: 2 }, out),
    ],
  ];
  test.each(refusals)("%s", async (_name, from, to, reason, build) => {
    const model = buildModel({ inputs: { x: ["N", 4] }, outputs: ["y"], opset: from, build });
    model.graph.inputs[0] = { name: "x", type: undefined };
    const error = await Promise.resolve()
      .then(() => raiseOpset(to).run(model, createContext("raise-opset", [])))
      .catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(UserError);
    expect((error as UserError).code).toBe("unsupported/opset");
    expect((error as UserError).message).toContain(reason);
  });

  test("opset 6 and below", () => {
    const model = buildModel({
      inputs: { x: [2] },
      outputs: ["y"],
      opset: 6,
      build: (e) => void e.op("Relu", ["x"], {}, out),
    });
    expect(() => raiseOpset(13).run(model, createContext("raise-opset", []))).toThrow(/opsets below 7/);
  });
});

test("every operator version of ONNX from opset 8 to 21 is a rule or known to be compatible, and nothing else is", () => {
  const path = new URL("onnx-operator-versions.json", import.meta.url);
  const versions = JSON.parse(readFileSync(path, "utf8")) as Record<string, number[]>;
  for (const [op, since] of Object.entries(versions)) {
    const changes = since
      .slice(1)
      .filter((version) => version > raiseRange.lowest && version <= raiseRange.highest);
    const rules = Object.keys(raiseRules[op] ?? {}).map(Number);
    const known = [...rules, ...(compatibleVersions[op] ?? [])].sort((a, b) => a - b);
    expect(known, op).toEqual(changes);
  }
  for (const op of [...Object.keys(raiseRules), ...Object.keys(compatibleVersions)])
    expect(versions).toHaveProperty(op);
});
