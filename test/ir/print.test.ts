import { describe, expect, test } from "vitest";
import { printModel } from "../../src/ir/print.ts";
import { printFloat, printName, printTensor, printType } from "../../src/ir/print-value.ts";
import { float, graphAttribute, string, tensorAttribute } from "../../src/ir/attributes.ts";
import { Emitter } from "../../src/ir/emit.ts";
import { createGraph, createModel, createValue } from "../../src/ir/graph.ts";
import { decodeModel } from "../../src/onnx/index.ts";
import { floats, ints, scalar, tensorOf } from "../../src/tensor/tensor.ts";
import { readContainer } from "../support/model-container.ts";

function sampleModel() {
  const graph = createGraph("main");
  graph.inputs.push(createValue("x", "float32", ["N", 3]));
  graph.outputs.push(createValue("y", "float32", ["N", undefined]));
  graph.valueInfo.set("h", createValue("h", "float32", undefined));
  graph.initializers.set(
    "w",
    floats(
      Array.from({ length: 12 }, (_, i) => i / 8),
      [3, 4],
    ),
  );
  const branch = createGraph("branch");
  branch.outputs.push(createValue("b", "float32", undefined));
  new Emitter(branch).op("Neg", ["h"], {}, { outputs: ["b"], name: "negate" });
  const emit = new Emitter(graph);
  emit.op("Gemm", ["x", "w", ""], { alpha: float(0.5), transB: 0 }, { outputs: ["h"], name: "dense" });
  emit.op(
    "If",
    ["c"],
    { then_branch: graphAttribute(branch), else_branch: graphAttribute(branch) },
    { outputs: ["y"], name: "choose" },
  );
  emit.node("Mystery", ["y", "an odd name"], {
    name: "m",
    domain: "com.example",
    outputs: ["", "z"],
    attributes: {
      list: { type: "floats", value: [1, 0.1] },
      mode: string("same"),
      value: tensorAttribute(ints([1, -1])),
    },
  });
  const model = createModel(graph, 17, [["com.example", 2]]);
  model.metadata.set("b", "2").set("a", "1");
  return model;
}

describe("printModel", () => {
  test("shows structure, types, attributes, constants and inner graphs", () => {
    expect(printModel(sampleModel())).toBe(`model ir 8, opset ai.onnx 17, com.example 2, by efqat
metadata a = "1"
metadata b = "2"
graph main {
  input x: float32[N, 3]
  output y: float32[N, ?]
  const w: float32[3, 4] = {0 .. 1.375 mean 0.6875} #f496d08f
  h: float32[...] = Gemm(x, w, _) {alpha = 0.5, transB = 0} "dense"
  y: float32[N, ?] = If(c) "choose"
    else_branch = branch {
      output b: float32[...]
      b: float32[...] = Neg(h) "negate"
    }
    then_branch = branch {
      output b: float32[...]
      b: float32[...] = Neg(h) "negate"
    }
  _, z = com.example::Mystery(y, "an odd name") {list = [1.0, 0.1], mode = "same", value = int64[2] = {1, -1}} "m"
}
`);
  });

  test("does not depend on the order of attributes and metadata", () => {
    const model = sampleModel();
    const [gemm] = model.graph.nodes;
    if (gemm) gemm.attributes = new Map([...gemm.attributes].reverse());
    model.metadata = new Map([...model.metadata].reverse());
    expect(printModel(model)).toBe(printModel(sampleModel()));
  });

  test("changes with one bit of one weight", () => {
    const model = sampleModel();
    const values = Float32Array.from({ length: 12 }, (_, i) => i / 8);
    values[5] = Math.fround((values[5] ?? 0) * (1 + 2 ** -23));
    model.graph.initializers.set("w", tensorOf("float32", [3, 4], values));
    expect(printModel(model)).not.toBe(printModel(sampleModel()));
    expect(printModel(model)).toContain("{0 .. 1.375 mean 0.6875}");
  });

  test("shows functions, sparse tensors and annotations", async () => {
    const models = await readContainer("fixtures/codec-models/models.bin.gz");
    const text = printModel(decodeModel(models.get("structure/unknown") as Uint8Array));
    expect(text).toContain(
      "function custom::Leaky::second <must, slope = 0.25>(a) -> (b), opset ai.onnx 21 {",
    );
    expect(text).toContain("LeakyRelu(a) {alpha = @slope}");
    expect(text).toContain(
      "const s: sparse[2, 3] (values float32[2] = {1.5, -2.5}, indices int64[2] = {1, 5})",
    );
    expect(text).toContain("annotation x {SCALE_TENSOR = w}");
  });
});

test.each([
  [0.1, "0.1"],
  [Math.fround(0.1), "0.1"],
  [1, "1.0"],
  [-0, "-0.0"],
  [1e30, "1e+30"],
  [Math.fround(1 / 3), "0.33333334"],
  [16777217, "16777216.0"],
  [NaN, "NaN"],
  [-Infinity, "-Infinity"],
])("printFloat(%d) is %s", (value, text) => {
  expect(printFloat(value)).toBe(text);
});

test.each([
  ["conv1.weight", "conv1.weight"],
  ["/layer/Conv_output_0", "/layer/Conv_output_0"],
  ["", '""'],
  ["a b", '"a b"'],
  ["a,b", '"a,b"'],
  ['say "x"', '"say \\"x\\""'],
  ["_", "_"],
])("printName(%j) is %s", (name, text) => {
  expect(printName(name)).toBe(text);
});

test("printType and printTensor", () => {
  const element = { kind: "tensor", dtype: "int64", shape: [2, "n"] } as const;
  expect(printType({ kind: "sequence", element: { ...element, shape: [...element.shape] } })).toBe(
    "sequence(int64[2, n])",
  );
  expect(printType({ kind: "map", key: "string", element: undefined })).toBe("map(string, ?)");
  expect(printType(undefined)).toBe("?");
  expect(printTensor(scalar(2))).toBe("float32[] = 2.0");
  expect(printTensor(tensorOf("float64", [2], Float64Array.of(0.1, 2 ** 53 + 2)))).toBe(
    "float64[2] = {0.1, 9007199254740994.0}",
  );
  expect(printTensor(floats([], [0, 3]))).toBe("float32[0, 3] = empty");
  expect(printTensor({ dtype: "int4", dims: [3], bytes: Uint8Array.of(0xf1, 0x08) })).toBe(
    "int4[3] = {1, -1, -8}",
  );
  const strings = [new TextEncoder().encode("a"), Uint8Array.of(255)];
  expect(printTensor({ dtype: "string", dims: [2], bytes: new Uint8Array(0), strings })).toBe(
    'string[2] = {"a", hex"ff"}',
  );
});
