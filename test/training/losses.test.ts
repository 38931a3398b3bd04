import { expect, test } from "vitest";
import { Emitter } from "../../src/ir/emit.ts";
import { cloneGraph } from "../../src/ir/clone.ts";
import { createGraph, createModel, createValue } from "../../src/ir/graph.ts";
import type { Graph } from "../../src/ir/model.ts";
import { encodeModel } from "../../src/onnx/index.ts";
import { Session } from "../../src/runtime/session.ts";
import { floats, ints, type Tensor, viewAs } from "../../src/tensor/tensor.ts";
import { attachLoss, attachSampleLosses, roundingOf } from "../../src/training/losses/attach-loss.ts";
import { type Loss, resolveLoss } from "../../src/training/losses/resolve-loss.ts";

const logits = [
  [2, -1, 0.5],
  [0.25, 3, -2],
];
const teacherLogits = [
  [1, 0, 0],
  [-1, 2, 1],
];
const labels = [0, 2];

const softmax = (row: number[]): number[] => {
  const exponents = row.map(Math.exp);
  const total = exponents.reduce((a, b) => a + b);
  return exponents.map((value) => value / total);
};
const mean = (values: number[]): number => values.reduce((a, b) => a + b) / values.length;

const crossEntropy = mean(logits.map((row, n) => -Math.log(softmax(row)[labels[n] as number] as number)));
const kl = mean(
  logits.map((row, n) => {
    const p = softmax(teacherLogits[n] as number[]);
    const q = softmax(row);
    return p.reduce((sum, value, c) => sum + value * Math.log(value / (q[c] as number)), 0);
  }),
);
const mse = (a: number[][], b: number[][]): number =>
  mean(a.flatMap((row, n) => row.map((value, c) => (value - ((b[n] as number[])[c] as number)) ** 2)));

/** x [N, 3] -> y, through `activation` where there is one. What y is without one, nothing tells. */
function head(activation?: string): Graph {
  const graph = createGraph("head");
  graph.inputs.push(createValue("x", "float32", ["N", 3]));
  new Emitter(graph).node(activation ?? "Identity", ["x"], {
    outputs: ["y"],
    attributes: activation === undefined ? {} : { axis: -1 },
  });
  graph.outputs.push(createValue("y", "float32", ["N", 3]));
  return graph;
}

async function lossOf(source: Graph, loss: Loss, feeds: Record<string, Tensor>): Promise<number> {
  const graph = cloneGraph(source);
  const targets = attachLoss(createModel(graph, 13), loss);
  expect(targets.map(({ name }) => name).sort()).toEqual(
    Object.keys(feeds)
      .filter((name) => name !== "x")
      .sort(),
  );
  const session = await Session.create(encodeModel(createModel(graph, 13)));
  const outputs = await session.run(feeds);
  await session.release();
  expect(outputs["loss"]?.dims).toEqual([]);
  return viewAs(outputs["loss"] as Tensor, "float32")[0] as number;
}

const x = floats(logits.flat(), [2, 3]);
const taught = (rows: number[][]): Tensor => floats(rows.flat(), [2, 3]);

test("cross-entropy", async () => {
  const loss = resolveLoss(head(), { kind: "cross-entropy", hasLabels: true, distill: 0.5 });
  expect(await lossOf(head(), loss, { x, labels: ints(labels) })).toBeCloseTo(crossEntropy, 5);
});

test.each([
  [undefined, teacherLogits],
  ["Softmax", teacherLogits.map(softmax)],
  ["LogSoftmax", teacherLogits.map((row) => softmax(row).map(Math.log))],
])("KL from the float model, behind %s", async (activation, rows) => {
  const graph = head(activation);
  const kind = activation === undefined ? "kl" : "auto";
  const loss = resolveLoss(graph, { kind, hasLabels: false, distill: 0.5 });
  expect(loss.terms).toEqual([{ term: "kl", weight: 1, output: "y" }]);
  expect(await lossOf(graph, loss, { x, "y.teacher": taught(rows) })).toBeCloseTo(kl, 5);
});

test("KL is zero where both agree", async () => {
  const loss = resolveLoss(head(), { kind: "kl", hasLabels: true, distill: 0.5 });
  expect(await lossOf(head(), loss, { x, "y.teacher": x })).toBeCloseTo(0, 6);
});

test("mean squared error is taken on the output itself", async () => {
  const graph = head("Softmax");
  const loss = resolveLoss(graph, { kind: "mse", hasLabels: true, distill: 0.5 });
  const rows = teacherLogits.map(softmax);
  expect(await lossOf(graph, loss, { x, "y.teacher": taught(rows) })).toBeCloseTo(
    mse(logits.map(softmax), rows),
    5,
  );
});

test("auto with labels mixes cross-entropy and KL", async () => {
  const loss = resolveLoss(head(), { kind: "auto", hasLabels: true, distill: 0.25 });
  const value = await lossOf(head(), loss, { x, labels: ints(labels), "y.teacher": taught(teacherLogits) });
  expect(value).toBeCloseTo(0.75 * crossEntropy + 0.25 * kl, 5);
  const pure = resolveLoss(head(), { kind: "auto", hasLabels: true, distill: 0 });
  expect(pure.terms.map(({ term }) => term)).toEqual(["cross-entropy"]);
});

test("auto gives regression outputs the mean squared error, and sums over outputs", () => {
  const graph = head("Softmax");
  graph.inputs.push(createValue("box", "float32", ["N", 4, 7]));
  graph.outputs.push(createValue("box", "float32", ["N", 4, 7]));
  graph.outputs.push(createValue("count", "int64", ["N"]));
  const auto = { kind: "auto", hasLabels: false, distill: 0.5 } as const;
  const { terms } = resolveLoss(graph, auto);
  expect(terms.map(({ term, output }) => `${term} ${output}`)).toEqual(["kl y", "mse box"]);
  const alone = resolveLoss(graph, { ...auto, output: "box" }).terms;
  expect(alone.map(({ term, output }) => `${term} ${output}`)).toEqual(["mse box"]);
  expect(() => resolveLoss(graph, { ...auto, output: "count" })).toThrow(/"count"/);
  expect(resolveLoss(head(), auto).terms[0]?.term).toBe("mse");
});

test.each(["kl", "mse", "auto"] as const)("the losses of samples have the loss as mean: %s", async (kind) => {
  const graph = head();
  const loss = resolveLoss(graph, { kind, hasLabels: true, distill: 0.25 });
  const targets = attachLoss(createModel(graph, 13), loss);
  attachSampleLosses(createModel(graph, 13), loss, targets);
  const feeds = { x, labels: ints(labels), "y.teacher": taught(teacherLogits) };
  const needed = Object.entries(feeds).filter(([name]) => graph.inputs.some((input) => input.name === name));
  const session = await Session.create(encodeModel(createModel(graph, 18)));
  const outputs = await session.run(Object.fromEntries(needed));
  await session.release();
  const samples = viewAs(outputs["loss.samples"] as Tensor, "float32");
  expect(samples.length).toBe(2);
  expect(mean([...samples])).toBeCloseTo(viewAs(outputs["loss"] as Tensor, "float32")[0] as number, 6);
  const each = logits.map((row, n) => mse([row], [teacherLogits[n] as number[]]));
  if (kind === "mse") expect([...samples]).toEqual(each.map((value) => expect.closeTo(value, 5) as number));
});

test("KL of two models that agree is not below zero in any sample", async () => {
  const graph = head();
  const loss = resolveLoss(graph, { kind: "kl", hasLabels: false, distill: 0.5 });
  const attached = createModel(graph, 13);
  attachSampleLosses(attached, loss, attachLoss(attached, loss));
  const session = await Session.create(encodeModel(createModel(graph, 13)));
  const rows = Array.from({ length: 64 }, (_, n) => [Math.sin(n), 3 * Math.cos(n * n), Math.sin(5 * n)]);
  const same = floats(rows.flat(), [64, 3]);
  const shifted = floats(
    rows.flat().map((value) => Math.fround(value + 1)),
    [64, 3],
  );
  const outputs = await session.run({ x: shifted, "y.teacher": same });
  await session.release();
  const samples = viewAs(outputs["loss.samples"] as Tensor, "float32");
  expect(Math.min(...samples)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...samples)).toBeLessThan(roundingOf(loss.terms, 0));
});

test("classes that lie along another axis than the last", async () => {
  const graph = createGraph("map");
  graph.inputs.push(createValue("x", "float32", ["N", 3, 2, 2]));
  new Emitter(graph).node("Identity", ["x"], { outputs: ["y"] });
  new Emitter(graph).node("ArgMax", ["y"], { outputs: ["mask"], attributes: { axis: 1, keepdims: 0 } });
  graph.outputs.push(createValue("mask", "int64", ["N", 2, 2]), createValue("y", "float32", ["N", 3, 2, 2]));
  const loss = resolveLoss(graph, { kind: "kl", hasLabels: false, distill: 0 });
  const spread = (rows: number[][]): Tensor =>
    floats(
      [0, 1, 2].flatMap((c) => [0, 1, 0, 1].map((n) => rows[n]?.[c] ?? 0)),
      [1, 3, 2, 2],
    );
  const value = await lossOf(graph, loss, { x: spread(logits), "y.teacher": spread(teacherLogits) });
  expect(value).toBeCloseTo(kl, 5);
});

test("cross-entropy without labels or classes, and a model without float outputs, are errors", () => {
  expect(() => resolveLoss(head(), { kind: "cross-entropy", hasLabels: false, distill: 0 })).toThrow(
    /labels/,
  );
  const graph = createGraph("indices");
  graph.outputs.push(createValue("best", "int64", ["N"]));
  expect(() => resolveLoss(graph, { kind: "auto", hasLabels: false, distill: 0 })).toThrow(/float32/);
  const map = createGraph("map");
  map.inputs.push(createValue("y", "float32", ["N", 3, 8, 8]));
  map.outputs.push(createValue("y", "float32", ["N", 3, 8, 8]));
  const loss = resolveLoss(map, { kind: "cross-entropy", hasLabels: true, distill: 0 });
  expect(() => attachLoss(createModel(map, 13), loss)).toThrow(/\[samples, classes\]/);
});
