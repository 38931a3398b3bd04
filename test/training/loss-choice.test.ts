import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { Dataset } from "../../src/data/dataset.ts";
import { openTargets, readTargets } from "../../src/data/targets.ts";
import { Emitter } from "../../src/ir/emit.ts";
import { createGraph, createModel, createValue } from "../../src/ir/graph.ts";
import type { Graph } from "../../src/ir/model.ts";
import { encodeModel } from "../../src/onnx/index.ts";
import { floats, type Tensor, tensorOf, toNumbers } from "../../src/tensor/tensor.ts";
import { prepareModel } from "../../src/passes/prepare.ts";
import { traceTraining } from "../../src/training/inspect-training.ts";
import { type LossModel, openLossModel } from "../../src/training/losses/loss-model.ts";
import { parseLoss } from "../../src/training/losses/loss-request.ts";
import { resolveLoss } from "../../src/training/losses/resolve-loss.ts";
import { planQuantization } from "../../src/quantization/plan.ts";
import { catchUserError } from "../support/catch-error.ts";
import { writeNpz } from "../support/write-numpy.ts";
import { tinyModel } from "./tiny-network.ts";

const folder = mkdtempSync(join(tmpdir(), "efqat-loss-choice-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("what --loss may be", () => {
  test("a name, a file, or terms", () => {
    expect(parseLoss("auto")).toBe("auto");
    expect(parseLoss("smooth-l1")).toBe("smooth-l1");
    expect(parseLoss("my/Loss.ONNX")).toEqual({ file: "my/Loss.ONNX" });
    expect(parseLoss("a/b:0=smooth-l1@boxes:0.5, kl")).toEqual([
      { output: "a/b:0", term: "smooth-l1", target: "boxes", weight: 0.5 },
      { term: "kl", weight: 1 },
    ]);
  });

  test.each([
    ["mze", /no loss "mze"/],
    ["y=", /no loss ""/],
    ["y=kl:-1", /weight is no number above 0/],
    ["y=kl:x", /weight is no number above 0/],
    ["kl,,mse", /no loss ""/],
  ])("%s is refused", (text, message) => {
    expect(() => parseLoss(text)).toThrow(message);
  });
});

/** tokens, attention_mask [N, L] -> outputs of these names and shapes, through an operator each. */
function outputsOf(outputs: Record<string, [shape: (number | string)[], opType?: string]>): Graph {
  const graph = createGraph("heads");
  graph.inputs.push(createValue("attention_mask", "int64", ["N", "L"]));
  for (const [name, [shape, opType = "Identity"]] of Object.entries(outputs)) {
    graph.inputs.push(createValue(`${name}.in`, "float32", shape));
    new Emitter(graph).node(opType, [`${name}.in`], { outputs: [name] });
    graph.outputs.push(createValue(name, "float32", shape));
  }
  return graph;
}

describe("what is minimised", () => {
  const choice = { kind: "auto", hasLabels: false, distill: 0.5 } as const;

  test("without labels by the kind of each output", () => {
    const graph = outputsOf({
      logits: [["N", "L", 10]],
      hidden: [["N", "L", 8]],
      pooled: [["N", 8]],
      class_logits: [["N", 21, "H", "W"]],
      mask: [["N", 1, "H", "W"], "Sigmoid"],
      boxes: [["N", 100, 4]],
    });
    const { terms } = resolveLoss(graph, choice);
    expect(Object.fromEntries(terms.map(({ output, term }) => [output, term]))).toEqual({
      logits: "kl",
      hidden: "mse",
      pooled: "mse",
      class_logits: "kl",
      mask: "bce",
      boxes: "smooth-l1",
    });
    const padded = terms.filter(({ mask }) => mask === "attention_mask").map(({ output }) => output);
    expect(padded).toEqual(["logits", "hidden"]);
  });

  test("terms of outputs as they are asked for", () => {
    const graph = outputsOf({ a: [["N", 8]], b: [["N", 4]] });
    const of = (text: string) => {
      const kind = parseLoss(text);
      if (typeof kind === "object" && "file" in kind) throw new Error("a file");
      return resolveLoss(graph, { ...choice, kind }).terms;
    };
    expect(of("b=l1:2")).toEqual([{ term: "l1", weight: 2, output: "b" }]);
    expect(of("cosine,b=mse@x").map(({ term, output, target }) => [term, output, target])).toEqual([
      ["cosine", "a", undefined],
      ["cosine", "b", undefined],
      ["mse", "b", "x"],
    ]);
    expect(() => of("c=mse")).toThrow(/output "c"/);
    expect(() => of("cross-entropy:1")).toThrow(/labels/);
    expect(() => of("a=bce@labels")).toThrow(/labels/);
  });
});

/** A loss of these inputs that is the mean of `opType` of the first two, or what `shape` leaves of it. */
function lossOf(
  inputs: Record<string, [type: "float32" | "int64", shape: (number | string)[]]>,
  opType = "Sub",
): Graph {
  const graph = createGraph("loss");
  const emit = new Emitter(graph);
  for (const [name, [type, shape]] of Object.entries(inputs))
    graph.inputs.push(createValue(name, type, shape));
  const [a = "", b = a] = Object.keys(inputs);
  const as = (name: string): string =>
    inputs[name]?.[0] === "int64" ? emit.op("Cast", [name], { to: 1 }) : name;
  const gap = opType === "Sub" ? emit.op("Sub", [as(a), as(b)]) : emit.op(opType, [a]);
  const value = opType === "Sub" ? emit.op("Mul", [gap, gap]) : gap;
  emit.node("ReduceMean", [value], { outputs: ["total"], attributes: { keepdims: 0 } });
  graph.outputs.push(createValue("total", "float32", []));
  return graph;
}

describe("a loss that is a model", () => {
  const model = tinyModel();
  const open = async (graph: Graph, hasLabels = false): Promise<LossModel> => {
    const file = join(folder, "loss.onnx");
    writeFileSync(file, encodeModel(createModel(graph, 17)));
    await writeNpz(join(folder, "t.npz"), { soft: floats(Array.from({ length: 6 }, Math.random), [2, 3]) });
    return openLossModel(file, model.graph, {
      hasLabels,
      targets: await openTargets(join(folder, "t.npz"), 2),
    });
  };
  const sources = async (graph: Graph, hasLabels = false): Promise<unknown[]> =>
    (await open(graph, hasLabels)).inputs.map(({ source }) => source);
  const scores = ["float32", ["N", 3]] as ["float32", (number | string)[]];
  const output = { from: "output", output: "scores" };
  const teacher = { from: "teacher", output: "scores" };

  test("takes outputs and targets by name and by order", async () => {
    expect(await sources(lossOf({ scores, soft: scores }))).toEqual([
      output,
      { from: "data", array: "soft" },
    ]);
    expect(await sources(lossOf({ soft: scores, scores }))).toEqual([
      { from: "data", array: "soft" },
      output,
    ]);
    expect(await sources(lossOf({ "scores.teacher": scores, scores }))).toEqual([teacher, output]);
    expect(await sources(lossOf({ student: scores, wanted: scores }))).toEqual([output, teacher]);
    const graph = lossOf({ student: scores }, "Abs");
    graph.inputs.push(createValue("classes", "int64", ["N"]));
    expect(await sources(graph, true)).toEqual([output, { from: "labels" }]);
  });

  test("that does not fit is refused with its name", async () => {
    const refused = async (graph: Graph): Promise<string> =>
      (await catchUserError(() => open(graph))).toParagraph();
    expect(await refused(lossOf({ scores, soft: ["float32", ["N", 4]] }))).toMatch(
      /"soft" is float32 \[N, 4\]/,
    );
    expect(await refused(lossOf({ scores: ["int64", ["N", 3]] }))).toMatch(/"scores" is int64/);
    expect(await refused(lossOf({ scores: ["float32", [8, 3]] }, "Abs"))).toMatch(/open first dimension/);
    expect(await refused(lossOf({ soft: scores }, "Abs"))).toMatch(/takes an output/);
    const unfed = lossOf({ scores, what: ["int64", ["N", 3]] });
    expect(await refused(unfed)).toMatch(/Nothing feeds its input "what".*"soft"/);
    const vector = lossOf({ scores }, "Abs");
    vector.nodes.at(-1)?.attributes.set("axes", { type: "ints", value: [1n] });
    vector.outputs = [createValue("total", "float32", ["N"])];
    expect(await refused(vector)).toMatch(/gives float32 \[N\].*one float32 number/);
    const two = lossOf({ scores }, "Abs");
    two.outputs.push(createValue(two.nodes[0]?.outputs[0] as string, "float32", ["N", 3]));
    expect(await refused(two)).toMatch(/2 outputs/);
  });

  test.each([
    ["Compress", ["kept"], /no gradient at a node.*Compress/],
    ["Round", [], /does not change with "scores" by a gradient/],
  ])("%s between outputs and loss is refused", async (opType, more, message) => {
    const graph = lossOf({ scores }, "Abs");
    // scores [N, 3] -> [3, N] · [N, 3] = [3, 3]
    graph.nodes = [];
    const emit = new Emitter(graph);
    const product = emit.op("MatMul", [emit.op("Transpose", ["scores"], { perm: [1, 0] }), "scores"]);
    graph.initializers.set("kept", tensorOf("bool", [3], new Uint8Array([1, 0, 1])));
    const through = emit.op(opType, [product, ...more]);
    emit.node("ReduceMean", [through], { outputs: ["total"], attributes: { keepdims: 0 } });
    const kind = await open(graph);
    const prepared = await prepareModel(model);
    const plan = planQuantization(prepared, {});
    await expect(traceTraining(prepared, plan, { kind, hasLabels: false, distill: 0 })).rejects.toThrow(
      message,
    );
  });
});

test("targets come with the samples that are read, and with parts of the data", async () => {
  const path = join(folder, "few.npz");
  await writeNpz(path, { a: floats([1, 2, 3, 4], [2, 2]), x: floats([5, 6], [2]) });
  const targets = await openTargets(path, 2, () => ["x"]);
  expect(targets.names).toEqual(["a"]);
  const bare: Dataset = {
    name: "few",
    length: 2,
    hasLabels: false,
    describe: () => ({}),
    targets,
    read: (at) => Promise.resolve({ size: at.length, inputs: {} }),
  };
  const dataset = readTargets(bare, ["a"]);
  const { targets: read } = await dataset.read([1, 0]);
  expect(toNumbers(read?.["a"] as Tensor)).toEqual([3, 4, 1, 2]);
  expect(() => readTargets(bare, ["b"])).toThrow(/no array "b".*there are a/);
  await expect((await openTargets(path, 3)).shapeOf("a")).rejects.toThrow(/3 samples/);
});
