import { describe, expect, test } from "vitest";
import { float, graphAttribute, int, intList, string, tensorAttribute } from "../../src/ir/attributes.ts";
import { Emitter } from "../../src/ir/emit.ts";
import { createGraph } from "../../src/ir/graph.ts";
import type { Model } from "../../src/ir/model.ts";
import { createContext } from "../../src/passes/define-pass.ts";
import { eliminateNoOps } from "../../src/passes/eliminate-no-ops.ts";
import { extractConstants } from "../../src/passes/extract-constants.ts";
import { fixDefaults } from "../../src/passes/fix-defaults.ts";
import { foldConstants } from "../../src/passes/fold-constants.ts";
import { fuseGemm } from "../../src/passes/fuse-gemm.ts";
import { inferTypes } from "../../src/passes/infer-types.ts";
import { mergeReshapes } from "../../src/passes/merge-reshapes.ts";
import { nameNodes } from "../../src/passes/name-nodes.ts";
import { prepareModel } from "../../src/passes/prepare.ts";
import { withTypes } from "../../src/passes/record-types.ts";
import { removeUnused } from "../../src/passes/remove-unused.ts";
import { resolveResize } from "../../src/passes/resolve-resize.ts";
import { resolveShapes } from "../../src/passes/resolve-shapes.ts";
import { unpackSequences } from "../../src/passes/unpack-sequences.ts";
import { withSession } from "../../src/runtime/open-model.ts";
import { floats, ints, scalar, type Tensor, viewAs } from "../../src/tensor/tensor.ts";
import { buildModel } from "../support/build-model.ts";
import { checkPass } from "../support/pass-case.ts";
import { randomTensor } from "../support/random-tensor.ts";

const out = { outputs: ["y"] };
const operators = (model: Model): string[] => model.graph.nodes.map((node) => node.opType);

async function typed(model: Model): Promise<Model> {
  return withTypes(model, await inferTypes(model));
}

test("name-nodes: empty and repeated names, also in subgraphs", async () => {
  const branch = (name: string): ReturnType<typeof createGraph> => {
    const graph = createGraph(name);
    graph.outputs = [{ name: `${name}.out`, type: undefined }];
    new Emitter(graph).op("Relu", ["x"], {}, { name: "a", outputs: [`${name}.out`] });
    return graph;
  };
  const model = buildModel({
    inputs: { x: [2] },
    outputs: ["y"],
    build(emit) {
      const condition = emit.constant({ ...ints([1], []), dtype: "bool", bytes: Uint8Array.of(1) });
      const value = emit.op("Identity", ["x"], {}, { name: "a" });
      const branches = {
        then_branch: graphAttribute(branch("then")),
        else_branch: graphAttribute(branch("else")),
      };
      emit.op("Add", [value, emit.op("If", [condition], branches)], {}, out);
      for (const node of emit.graph.nodes.slice(1)) node.name = "";
    },
  });
  await checkPass({ pass: nameNodes, model, golden: "name-nodes", tolerance: 0 });
});

test("eliminate-no-ops: a Dropout stays whose mask only a branch reads", async () => {
  const branch = (name: string): ReturnType<typeof createGraph> => {
    const graph = createGraph(name);
    graph.outputs = [{ name: `${name}.out`, type: undefined }];
    new Emitter(graph).op("Not", ["mask"], {}, { outputs: [`${name}.out`] });
    return graph;
  };
  const model = buildModel({
    inputs: { x: [2], condition: ["bool"] },
    outputs: ["y", "z"],
    build(emit) {
      emit.node("Dropout", ["x"], { outputs: ["kept", "mask"] });
      emit.op("Relu", ["kept"], {}, out);
      const branches = {
        then_branch: graphAttribute(branch("then")),
        else_branch: graphAttribute(branch("else")),
      };
      emit.op("If", ["condition"], branches, { outputs: ["z"] });
    },
  });
  expect(await eliminateNoOps.run(model, createContext("eliminate-no-ops", []))).toBe(model);
});

test("fix-defaults: inputs with a default become constants", async () => {
  const model = buildModel({
    inputs: { x: [2, 3], w: [3, 3] },
    outputs: ["y"],
    build(emit) {
      emit.graph.initializers.set("w", randomTensor([3, 3], 1));
      emit.op("MatMul", ["x", "w"], {}, out);
    },
  });
  const { model: fixed } = await checkPass({
    pass: fixDefaults,
    model: { ...model, irVersion: 3 },
    golden: "fix-defaults",
    tolerance: 0,
  });
  expect(fixed.graph.inputs.map((input) => input.name)).toEqual(["x"]);
  expect(fixed.irVersion).toBe(8);
});

test("extract-constants: every form of Constant", async () => {
  const model = buildModel({
    inputs: { x: [2] },
    outputs: ["y", "kept"],
    build(emit) {
      const parts = [
        emit.op("Constant", [], { value: tensorAttribute(floats([1, 2])) }),
        emit.op("Constant", [], { value_float: float(3) }),
        emit.op("Constant", [], { value_floats: { type: "floats", value: [4, 5] } }),
        ...[{ value_int: int(6) }, { value_ints: intList([7, 8]) }].map((value) =>
          emit.op("Cast", [emit.op("Constant", [], value)], { to: 1 }),
        ),
      ];
      emit.op("Sum", ["x", ...parts], {}, out);
      emit.op("Constant", [], { value_float: float(9) }, { outputs: ["kept"], name: "nine" });
      emit.op("Constant", [], { value_string: string("unused") });
    },
  });
  const { refusals } = await checkPass({
    pass: extractConstants,
    model,
    golden: "extract-constants",
    tolerance: 0,
  });
  expect(refusals.map(({ node, reason }) => [node, reason])).toEqual([
    ["nine", "its value is a graph output"],
  ]);
});

test("remove-unused: dead nodes and what only they read", async () => {
  const model = buildModel({
    inputs: { x: [2], unused: [2] },
    outputs: ["y"],
    build(emit) {
      emit.op("Exp", [emit.op("Mul", ["x", emit.constant(scalar(3), "three")])]);
      emit.op("Mul", ["x", emit.constant(scalar(2), "two")], {}, out);
      emit.constant(scalar(4), "four");
    },
  });
  const { model: rest } = await checkPass({
    pass: removeUnused,
    model,
    golden: "remove-unused",
    tolerance: 0,
  });
  expect([...rest.graph.initializers.keys()]).toEqual(["two"]);
});

describe("fold-constants", () => {
  test("folds chains, keeps quantization and large results", async () => {
    const model = buildModel({
      inputs: { x: [2, 3] },
      outputs: ["y", "q", "big"],
      build(emit) {
        const w = emit.op(
          "Transpose",
          [emit.constant(randomTensor([4, 3], 1), "w")],
          {},
          { outputs: ["w.t"] },
        );
        const shifted = emit.op("Add", [w, emit.constant(scalar(1))], {}, { outputs: ["w.1"] });
        emit.op("MatMul", ["x", shifted], {}, out);
        const [codes, scale] = [
          emit.constant({ ...floats([]), dtype: "int8", dims: [3], bytes: Uint8Array.of(1, 2, 3) }),
          emit.constant(scalar(0.5)),
        ];
        emit.op("Add", ["x", emit.op("DequantizeLinear", [codes, scale])], {}, { outputs: ["q"] });
        const length = emit.op("Mul", [emit.constant(ints([600])), emit.constant(ints([600]))]);
        emit.op(
          "ReduceSum",
          [emit.op("ConstantOfShape", [length], {}, { name: "large" })],
          {},
          { outputs: ["big"] },
        );
      },
    });
    const { model: folded, refusals } = await checkPass({
      pass: foldConstants,
      model,
      golden: "fold-constants",
      tolerance: 1e-6,
    });
    expect(operators(folded)).toEqual(["MatMul", "DequantizeLinear", "Add", "ConstantOfShape", "ReduceSum"]);
    expect(refusals.map((refusal) => refusal.reason)).toEqual([
      "DequantizeLinear is not folded",
      "its value is a graph output",
      "its value has 1440000 bytes",
    ]);
  });
});

test("eliminate-no-ops: everything that hands its input through", async () => {
  const model = await typed(
    buildModel({
      inputs: { x: ["N", 4] },
      outputs: ["y", "z"],
      build(emit) {
        let value = emit.op("Identity", [emit.op("Relu", ["x"])]);
        value = emit.op("Dropout", [value, emit.constant(scalar(0.5))]);
        value = emit.op("Cast", [value], { to: 1 });
        value = emit.op("Reshape", [value, emit.constant(ints([0, 4]))]);
        value = emit.op("Transpose", [value], { perm: [0, 1] });
        value = emit.op("Pad", [value, emit.constant(ints([0, 0, 0, 0]))]);
        value = emit.op("Slice", [
          value,
          emit.constant(ints([0])),
          emit.constant(ints([99])),
          emit.constant(ints([1])),
        ]);
        value = emit.op("Concat", [value], { axis: 0 });
        value = emit.op("Flatten", [value]);
        emit.op("Sum", [value], {}, out);
        const minus = emit.constant(ints([-1]));
        const reversed = emit.op("Slice", [
          "x",
          minus,
          emit.constant(ints([-99])),
          emit.constant(ints([1])),
          minus,
        ]);
        emit.op("Identity", [emit.op("Cast", [reversed], { to: 6 })], {}, { outputs: ["z"] });
      },
    }),
  );
  const { model: rest } = await checkPass({
    pass: eliminateNoOps,
    model,
    golden: "eliminate-no-ops",
    tolerance: 0,
  });
  expect(operators(rest)).toEqual(["Relu", "Slice", "Cast"]);
});

test("eliminate-no-ops: what connects an input or another output with an output stays", async () => {
  const model = buildModel({
    inputs: { x: [2] },
    outputs: ["y", "r", "z"],
    build(emit) {
      emit.op("Identity", ["x"], {}, out);
      const relu = emit.op("Relu", ["x"], {}, { outputs: ["r"] });
      emit.op("Identity", [relu], {}, { outputs: ["z"] });
    },
  });
  const { model: same, refusals } = await checkPass({
    pass: eliminateNoOps,
    model,
    golden: "eliminate-no-ops-outputs",
    tolerance: 0,
  });
  expect(same).toBe(model);
  expect(refusals.map((refusal) => refusal.reason)).toEqual([
    'it carries the graph input or constant "x" to an output',
    "both sides are graph outputs",
  ]);
});

test("merge-reshapes: back to a former shape, and to a given one", async () => {
  const model = await typed(
    buildModel({
      inputs: { x: ["N", 2, 3] },
      outputs: ["y", "z"],
      build(emit) {
        const flat = emit.op("Flatten", ["x"]);
        const back = emit.op("Reshape", [flat, emit.constant(ints([-1, 2, 3]))]);
        emit.op("Relu", [back], {}, out);
        const wide = emit.op("Unsqueeze", [flat, emit.constant(ints([1]))]);
        emit.op("Reshape", [wide, emit.constant(ints([-1, 3, 2]))], {}, { outputs: ["z"] });
      },
    }),
  );
  const { model: merged } = await checkPass({
    pass: mergeReshapes,
    model,
    golden: "merge-reshapes",
    tolerance: 0,
  });
  expect(merged.graph.nodes.find((node) => node.outputs[0] === "z")?.inputs[0]).toBe("x");
  expect(merged.graph.nodes.find((node) => node.outputs[0] === "y")?.inputs[0]).toBe("x");
});

test("resolve-shapes: what follows from known dimensions becomes constant, the batch stays open", async () => {
  const model = await typed(
    buildModel({
      inputs: { x: ["N", 2, 3], w: [2, 5] },
      outputs: ["y", "s", "n"],
      build(emit) {
        const batch = emit.op("Gather", [emit.op("Shape", ["x"]), emit.constant(ints([0]))]);
        const target = emit.op("Concat", [batch, emit.constant(ints([-1]))], { axis: 0 });
        emit.op("Reshape", ["x", target], {}, out);
        emit.op(
          "Add",
          [emit.op("Shape", ["x"], { start: 1 }), emit.op("Shape", ["w"])],
          {},
          { outputs: ["s"] },
        );
        emit.op("Identity", [emit.op("Size", ["w"])], {}, { outputs: ["n"] });
      },
    }),
  );
  const { model: resolved } = await checkPass({
    pass: resolveShapes,
    model,
    golden: "resolve-shapes",
    tolerance: 0,
    batch: 3,
  });
  const reshape = resolved.graph.nodes.find((node) => node.opType === "Reshape");
  expect(resolved.graph.initializers.get(reshape?.inputs[1] ?? "")).toEqual(ints([-1, 6]));
});

test("fuse-gemm: a product of matrices and a bias per column", async () => {
  const model = await typed(
    buildModel({
      inputs: { x: ["N", 4], t: ["N", 2, 4] },
      outputs: ["y", "z", "p"],
      build(emit) {
        const [w, b] = [
          emit.constant(randomTensor([4, 3], 1), "w"),
          emit.constant(randomTensor([1, 3], 2), "b"),
        ];
        emit.op("Add", [b, emit.op("MatMul", ["x", w], {}, { name: "first" })], {}, out);
        emit.op("Add", [emit.op("MatMul", ["t", w], {}, { name: "second" }), b], {}, { outputs: ["z"] });
        emit.op("Add", [emit.op("MatMul", ["x", w], {}, { name: "third" }), "y"], {}, { outputs: ["p"] });
      },
    }),
  );
  const { model: fused, refusals } = await checkPass({
    pass: fuseGemm,
    model,
    golden: "fuse-gemm",
    tolerance: 1e-6,
  });
  expect(operators(fused)).toEqual(["Gemm", "MatMul", "Add", "MatMul", "Add"]);
  expect(refusals.map(({ node, reason }) => [node, reason])).toEqual([
    ["second", "its operands are not matrices"],
    ["third", 'the Add "Add_2" adds no constant per column'],
  ]);
});

test("resolve-shapes: known dimensions picked of a shape with open ones become constant", async () => {
  const model = buildModel({
    inputs: { x: ["batch", 3, 6] },
    outputs: ["first", "last", "middle", "open"],
    build(emit) {
      const shape = emit.op("Shape", ["x"]);
      const picked = (op: string, output: string, ...operands: Tensor[]): void => {
        const inputs = operands.map((operand) => emit.constant(operand));
        const value = emit.op("Cast", [emit.op(op, [shape, ...inputs])], { to: 1 });
        emit.op("Sqrt", [value], {}, { outputs: [output] });
      };
      picked("Slice", "last", ints([-1]), ints([Number.MAX_SAFE_INTEGER]));
      picked("Slice", "middle", ints([1]), ints([-1]), ints([0]), ints([1]));
      picked("Gather", "first", ints([2, -2]));
      picked("Gather", "open", ints([0], []));
    },
  });
  const prepared = await prepareModel(model);
  const ops = prepared.graph.nodes.map(({ opType }) => opType);
  expect(ops.filter((op) => op === "Shape" || op === "Gather")).toEqual(["Shape", "Gather"]);
  expect(ops).not.toContain("Slice");
  const x = floats(new Float32Array(36), [2, 3, 6]);
  const found = await withSession(prepared, { threads: 1 }, (session) => session.run({ x }));
  const squares = Object.entries(found).map(([name, value]) => [
    name,
    Array.from(viewAs(value, "float32"), (root) => Math.round(root ** 2)),
  ]);
  expect(Object.fromEntries(squares)).toEqual({ first: [6, 3], last: [6], middle: [3], open: [2] });
});

test("resolve-resize: computed sizes become scales where these give them", async () => {
  const model = await typed(
    buildModel({
      inputs: { x: ["N", 2, 5, 6] },
      outputs: ["y", "z"],
      build(emit) {
        const head = emit.op("Slice", [
          emit.op("Shape", ["x"]),
          emit.constant(ints([0])),
          emit.constant(ints([2])),
        ]);
        const sizes = emit.op("Concat", [head, emit.constant(ints([7, 12]))], { axis: 0 });
        emit.op("Resize", ["x", "", "", sizes], { mode: "linear" }, { ...out, name: "linear" });
        const odd = emit.op("Concat", [emit.constant(ints([3])), emit.op("Shape", ["x"], { start: 1 })], {
          axis: 0,
        });
        emit.op("Resize", ["x", "", "", odd], { mode: "nearest" }, { outputs: ["z"], name: "batch" });
      },
    }),
  );
  const { model: resolved, refusals } = await checkPass({
    pass: resolveResize,
    model,
    golden: "resolve-resize",
    tolerance: 0,
  });
  const scales = resolved.graph.initializers.get(
    resolved.graph.nodes.find((node) => node.name === "linear")?.inputs[2] ?? "",
  );
  expect(scales).toEqual(floats([1, 1, 1.4, 2]));
  expect(refusals.map(({ node, reason }) => [node, reason])).toEqual([
    ["batch", "no constant scale gives the size of axis 0"],
  ]);
});

test("unpack-sequences: parts taken out of a sequence become a Split", async () => {
  const model = await typed(
    buildModel({
      inputs: { x: ["N", 7] },
      outputs: ["y", "z", "last"],
      build(emit) {
        const at = (sequence: string, position: number, output: string): string =>
          emit.op("SequenceAt", [sequence, emit.constant(ints([position], []))], {}, { outputs: [output] });
        const listed = emit.op("SplitToSequence", ["x", emit.constant(ints([2, 5]))], { axis: 1 });
        emit.op(
          "Add",
          [
            at(listed, 0, "a"),
            at(emit.op("SplitToSequence", ["x", emit.constant(ints([2], []))], { axis: -1 }), 1, "b"),
          ],
          {},
          out,
        );
        emit.op("Identity", [at(listed, -1, "c")], {}, { outputs: ["z"] });
        const open = emit.op(
          "SplitToSequence",
          ["x", emit.constant(ints([1], []))],
          { axis: 0 },
          { name: "open" },
        );
        at(open, 0, "last");
      },
    }),
  );
  const { model: unpacked, refusals } = await checkPass({
    pass: unpackSequences,
    model,
    golden: "unpack-sequences",
    tolerance: 0,
  });
  expect(operators(unpacked).filter((op) => op === "Split")).toHaveLength(2);
  expect(refusals.map(({ node, reason }) => [node, reason])).toEqual([
    ["open", "the lengths of its parts are not known"],
  ]);
});
