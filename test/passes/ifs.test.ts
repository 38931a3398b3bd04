import { describe, expect, test } from "vitest";
import { graphAttribute } from "../../src/ir/attributes.ts";
import { Emitter } from "../../src/ir/emit.ts";
import { createGraph, createValue } from "../../src/ir/graph.ts";
import type { Graph, Model } from "../../src/ir/model.ts";
import { flattenIfs } from "../../src/passes/flatten-ifs.ts";
import { pinBatch } from "../../src/passes/pin-batch.ts";
import { prepareModel, prepareOpen } from "../../src/passes/prepare.ts";
import { withSession } from "../../src/runtime/open-model.ts";
import { ints, scalar, type Tensor, tensorOf, viewAs } from "../../src/tensor/tensor.ts";
import { buildModel } from "../support/build-model.ts";
import { emitLoop } from "../support/emit-loop.ts";
import { randomTensor } from "../support/random-tensor.ts";

/** A branch with a weight of its own, whose name the other branch has, too, of an operator on the outer value "x". */
function branch(seed: number, inner?: (emit: Emitter) => string): Graph {
  const graph = createGraph("branch");
  const emit = new Emitter(graph);
  const weight = seed > 2 ? "v" : "w";
  emit.prefix = weight;
  graph.initializers.set(weight, randomTensor([4, 4], seed));
  const product = emit.op("MatMul", ["x", weight]);
  const found =
    inner === undefined ? product : emit.op("Add", [product, inner(emit)], {}, { outputs: ["sum"] });
  graph.outputs.push({ name: found, type: { kind: "tensor", dtype: "float32", shape: undefined } });
  return graph;
}

const emitIf = (
  emit: Emitter,
  condition: string,
  branches: readonly [Graph, Graph],
  output?: string,
): string =>
  emit.op(
    "If",
    [condition],
    { then_branch: graphAttribute(branches[0]), else_branch: graphAttribute(branches[1]) },
    output === undefined ? {} : { outputs: [output] },
  );

/** If sr = 16000 (and within: if x has 4 columns), else another weight. */
const voice = (): Model =>
  buildModel({
    inputs: { x: ["N", 4], sr: ["int64"] },
    outputs: ["y"],
    build(emit) {
      const within = (inner: Emitter): string => {
        const width = inner.op("Gather", [inner.op("Shape", ["x"]), inner.constant(ints([1], []))], {
          axis: 0,
        });
        return emitIf(inner, inner.op("Equal", [width, inner.constant(ints([4], []))]), [
          branch(3),
          branch(4),
        ]);
      };
      const fast = emit.op("Equal", ["sr", emit.constant(ints([16000], []))]);
      const taken = emitIf(emit, fast, [branch(1, within), branch(2)]);
      emit.graph.initializers.set("u", randomTensor([4, 4], 9));
      emit.op("Add", [taken, emit.op("MatMul", ["x", "u"])], {}, { outputs: ["y"] });
    },
  });

const run = (model: Model, feeds: Record<string, Tensor>): Promise<Record<string, Tensor>> =>
  withSession(model, {}, (session) => session.run(feeds));

/** The values of output "y". */
const floatsOf = ({ y }: Record<string, Tensor>): number[] => [...viewAs(y as Tensor, "float32")];

/** The nodes of a graph, operator by operator. */
const operatorsOf = ({ graph }: Model): string[] => graph.nodes.map(({ opType }) => opType);

describe("an If whose condition is known", () => {
  const rate = (value: bigint): Tensor => tensorOf("int64", [], BigInt64Array.of(value));

  test.each([
    ["one branch, with the If in it", 16000n, 3],
    ["the other", 8000n, 2],
  ])("by the value of an input: %s becomes the graph's", async (_, value, products) => {
    const source = voice();
    const { model, decided } = await prepareOpen(source, { settled: new Map([["sr", rate(value)]]) });
    expect(decided).toEqual(["sr"]);
    expect(model.graph.inputs.map(({ name }) => name)).toEqual(["x", "sr"]);
    const operators = operatorsOf(model);
    expect(operators).not.toContain("If");
    expect(operators.filter((op) => op === "MatMul" || op === "Gemm")).toHaveLength(products);
    const feeds = { x: randomTensor([3, 4], 5), sr: rate(value) };
    const [expected, found] = await Promise.all([run(source, feeds), run(model, feeds)]);
    floatsOf(expected).forEach((each, i) => expect(floatsOf(found)[i]).toBeCloseTo(each, 5));
  });

  test("where the input is not given it stays, with its branches", async () => {
    const { model, decided } = await prepareOpen(voice());
    expect(decided).toEqual([]);
    expect(operatorsOf(model)).toContain("If");
    const feeds = { x: randomTensor([3, 4], 5), sr: rate(16000n) };
    expect((await run(model, feeds))["y"]?.dims).toEqual([3, 4]);
  });

  test("a branch that hands an outer value on leaves nothing", async () => {
    const identity = (): Graph => {
      const graph = createGraph("identity");
      new Emitter(graph).node("Identity", ["x"], { outputs: ["same"], name: "same" });
      graph.outputs.push({ name: "same", type: { kind: "tensor", dtype: "float32", shape: undefined } });
      return graph;
    };
    const source = buildModel({
      inputs: { x: ["N", 4] },
      outputs: ["y"],
      build(emit) {
        const yes = emit.constant(tensorOf("bool", [], Uint8Array.of(1)), "yes");
        const taken = emitIf(emit, yes, [identity(), branch(1)]);
        emit.op("Mul", [taken, emit.constant(scalar(2))], {}, { outputs: ["y"] });
      },
    });
    const { model } = await prepareOpen(source);
    expect(operatorsOf(model)).toEqual(["Mul"]);
  });
});

test("Ifs of one graph whose branches use the same names are inlined side by side", async () => {
  const source = buildModel({
    inputs: { x: ["N", 4] },
    outputs: ["y"],
    build(emit) {
      const yes = emit.constant(tensorOf("bool", [], Uint8Array.of(1)), "yes");
      const named = (seed: number): Graph => branch(seed, (inner) => inner.op("Relu", ["x"]));
      const [first, second] = [
        emitIf(emit, yes, [named(1), named(2)]),
        emitIf(emit, yes, [named(2), named(1)]),
      ];
      emit.op("Sub", [first, second], {}, { outputs: ["y"] });
    },
  });
  const feeds = { x: randomTensor([3, 4], 5) };
  const { model } = await prepareOpen(source);
  expect(operatorsOf(model)).not.toContain("If");
  const [expected, found] = [floatsOf(await run(source, feeds)), floatsOf(await run(model, feeds))];
  expected.forEach((each, i) => expect(found[i]).toBeCloseTo(each, 5));
});

describe("an If of a graph at fixed shapes", () => {
  const flatOf = async (source: Model): Promise<Model> =>
    flattenIfs(await pinBatch(await prepareModel(source), 3, { open: true }));

  test.each([16000n, 8000n])("becomes both branches and a choice (rate %d)", async (rate) => {
    const source = voice();
    const flat = await flatOf(source);
    expect(operatorsOf(flat)).not.toContain("If");
    expect(operatorsOf(flat)).toContain("Where");
    const feeds = { x: randomTensor([3, 4], 5), sr: tensorOf("int64", [], BigInt64Array.of(rate)) };
    const [expected, found] = [floatsOf(await run(source, feeds)), floatsOf(await run(flat, feeds))];
    expected.forEach((each, i) => expect(found[i]).toBeCloseTo(each, 5));
  });

  const chosen = (other: (emit: Emitter) => string): Model =>
    buildModel({
      inputs: { x: ["N", 4] },
      outputs: ["y"],
      build(emit) {
        const graph = createGraph("other");
        const found = other(new Emitter(graph));
        graph.outputs.push(createValue(found, "float32", undefined));
        const total = emit.op("ReduceSum", ["x"], { keepdims: 0 });
        const above = emit.op("Greater", [total, emit.constant(scalar(0))]);
        emit.op("ReduceMax", [emitIf(emit, above, [branch(1), graph])], { keepdims: 0 }, { outputs: ["y"] });
      },
    });

  test.each<[string, boolean, (emit: Emitter) => string]>([
    ["float32 of one shape", false, (emit) => emit.op("Relu", ["x"])],
    ["another shape", true, (emit) => emit.op("Flatten", ["x"], { axis: 0 })],
    ["a loop", true, (emit) => emitLoop(emit, "x", 2)],
  ])("whose other branch gives %s: stays %s", async (_, stays, other) => {
    expect(operatorsOf(await flatOf(chosen(other))).includes("If")).toBe(stays);
  });
});
