import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { answers } from "../../src/autodiff/rules.ts";
import { exportModel } from "../../src/export/export-model.ts";
import { graphAttribute } from "../../src/ir/attributes.ts";
import { Emitter } from "../../src/ir/emit.ts";
import { createGraph, createModel, createValue } from "../../src/ir/graph.ts";
import type { Graph, Model } from "../../src/ir/model.ts";
import { prepareModel } from "../../src/passes/prepare.ts";
import { planQuantization } from "../../src/quantization/plan.ts";
import { floats, ints, type Tensor, viewAs } from "../../src/tensor/tensor.ts";
import { type Artifact, writeArtifact } from "../../src/training/artifact.ts";
import { inspectTraining } from "../../src/training/inspect-training.ts";
import { stateTensor } from "../../src/training/state.ts";
import { loadTrained, train } from "../../src/training/train.ts";
import { emitLoop } from "../support/emit-loop.ts";
import { artifactOf, tinyData } from "./tiny-network.ts";

const constant = (graph: Graph, name: string, dims: number[]): string => {
  const count = dims.reduce((a, b) => a * b, 1);
  const values = Array.from(
    { length: count },
    (_, i) => 0.4 * Math.sin(name.length + name.charCodeAt(0) + 7 * i),
  );
  graph.initializers.set(name, floats(values, dims));
  return name;
};

/** A branch of an If: one operator on a value of the outer graph. */
function branch(op: string, value: string): Graph {
  const graph = createGraph(op);
  new Emitter(graph).node(op, [value], { outputs: [`${op}.out`], name: op });
  graph.outputs.push({ name: `${op}.out`, type: { kind: "tensor", dtype: "float32", shape: undefined } });
  return graph;
}

/** If the sum of a value is above a bound, its hyperbolic tangent, else its sigmoid. */
function emitIf(emit: Emitter, value: string, bound = 0): string {
  const total = emit.op("ReduceSum", [value], { keepdims: 0 });
  const condition = emit.op("Greater", [total, emit.constant(floats([bound], []))]);
  const [taken, other] = [branch("Tanh", value), branch("Sigmoid", value)];
  return emit.op("If", [condition], {
    then_branch: graphAttribute(taken),
    else_branch: graphAttribute(other),
  });
}

/**
 * x -> front (Conv) -> Loop -> back (Conv) -> pool -> head (Gemm) -> scores, and the class as a float beside it.
 * `cut`: the Loop stands behind everything that has weights. `between`: what stands between the convolutions instead.
 */
function islandModel(cut = false, between?: (emit: Emitter, value: string) => string): Model {
  const graph = createGraph("island");
  const emit = new Emitter(graph);
  graph.inputs.push(createValue("x", "float32", ["N", 1, 8, 8]));
  const conv = (name: string, x: string, dims: number[]): string =>
    emit.op(
      "Conv",
      [x, constant(graph, `${name}.weight`, dims), constant(graph, `${name}.bias`, [4])],
      { pads: [1, 1, 1, 1], kernel_shape: [3, 3] },
      { name, outputs: [`${name}.out`] },
    );
  const front = conv("front", "x", [4, 1, 3, 3]);
  const middle = cut ? front : (between ?? emitLoop)(emit, front);
  const back = conv("back", middle, [4, 4, 3, 3]);
  const last = cut ? emitLoop(emit, back) : emit.op("Relu", [back]);
  const flat = emit.op("Flatten", [emit.op("GlobalAveragePool", [last])], { axis: 1 });
  if (cut) emit.node("Identity", [flat], { outputs: ["scores"], name: "head" });
  else
    emit.node("Gemm", [flat, constant(graph, "head.weight", [4, 3]), constant(graph, "head.bias", [3])], {
      name: "head",
      outputs: ["scores"],
    });
  const kind = emit.op("ArgMax", ["scores"], { axis: 1, keepdims: 1 }, { name: "argmax" });
  emit.node("Cast", [kind], { attributes: { to: 1 }, outputs: ["kind"], name: "kind" });
  graph.outputs.push(createValue("scores", "float32", ["N", cut ? 4 : 3]));
  graph.outputs.push(createValue("kind", "float32", ["N", 1]));
  return createModel(graph, 17);
}

const withoutLabels = { loss: { kind: "mse", hasLabels: false } } as const;
const bytes = (tensor: Tensor): number[] => [...viewAs(tensor, "int8")];

let artifact: Artifact;
let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "islands-"));
  artifact = await artifactOf(islandModel(), withoutLabels);
  await writeArtifact(artifact, join(directory, "artifact"));
});
afterAll(async () => rm(directory, { recursive: true, force: true }));

test("what lies in front of an operator without a gradient is frozen, the rest trains", () => {
  const { manifest, trainingModel, checkpoint } = artifact;
  expect(manifest.weights.map(({ name }) => name)).toEqual(["back.weight", "head.weight"]);
  expect(manifest.parameters.map(({ name }) => name)).toEqual(["back.bias", "head.bias"]);
  expect(manifest.frozen).toEqual(["front.weight", "front.bias"]);
  const inputs = trainingModel.graph.inputs.map(({ name }) => name);
  expect(inputs.filter((name) => name.startsWith("front.weight") || name === "front.bias")).toEqual([]);
  expect(checkpoint.has("front.weight.codes")).toBe(true);
  const named = manifest.untrainable.map(({ node, reason }) => `${node}: ${reason}`).join("\n");
  expect(named).toMatch(/^island: the gradient ends here: it holds subgraphs/m);
  expect(named).toMatch(/^front: weight "front.weight" keeps its calibrated codes/m);
});

test("quantizers in front of it keep scale and zero point", () => {
  const front = artifact.manifest.activations.filter(({ tensor }) => tensor.startsWith("front"));
  for (const { scaleGrad, zeroPointGrad } of front) expect([scaleGrad, zeroPointGrad]).toEqual([null, null]);
  expect(artifact.manifest.activations.some(({ scaleGrad }) => scaleGrad !== null)).toBe(true);
});

test("an output that no gradient reaches is left out of the loss and named", () => {
  expect(artifact.manifest.loss.terms.map(({ output }) => output)).toEqual(["scores"]);
  const named = artifact.manifest.untrainable.filter(({ reason }) => reason.includes('output "kind"'));
  expect(named).toHaveLength(1);
});

/** What stands between two convolutions, and why the first of them does not train. */
const pieces: [
  op: string,
  between: ((emit: Emitter, value: string) => string) | undefined,
  stops: boolean,
][] = [
  ["Loop", undefined, true],
  ["If", (emit, value) => emitIf(emit, value), false],
  ["Relu", (emit, value) => emit.op("Relu", [value]), false],
  ["Round", (emit, value) => emit.op("Round", [value]), true],
  [
    "Det",
    (emit, value) =>
      emit.op("Mul", [
        value,
        emit.op("Unsqueeze", [emit.op("Unsqueeze", [emit.op("Det", [value]), two(emit)]), two(emit)]),
      ]),
    false,
  ],
  [
    "ConvTranspose",
    (emit, value) =>
      emit.op("ConvTranspose", [value, constant(emit.graph, "up.weight", [4, 2, 1, 1])], { group: 2 }),
    false,
  ],
];
const two = (emit: Emitter): string => emit.constant(ints([2]));

test.each(pieces)(
  "%s: inspection, the artifact and the table of operators give one answer",
  async (op, between, stops) => {
    const source = islandModel(false, between);
    const { manifest } = await artifactOf(source, withoutLabels);
    const model = await prepareModel(source);
    const plan = planQuantization(model, { wbits: 8, abits: 8, firstLast: "same" });
    expect(await inspectTraining(model, plan)).toEqual(manifest.untrainable);
    expect(manifest.frozen.includes("front.weight")).toBe(stops);
    const answer = answers[op as keyof typeof answers];
    const said = "rule" in answer ? undefined : "none" in answer ? answer.none : answer.refused;
    const told = manifest.untrainable.map(({ reason }) => reason).join("\n");
    if (said !== undefined && stops) expect(told).toContain(said);
    if (said === undefined) expect(stops).toBe(false);
  },
);

test("training leaves what is frozen as calibration did, and the export has all of it", async () => {
  const options = { maxSteps: 8, threads: 1, val: 32, evalEvery: 4, hyper: { weight_decay: 0.1 } };
  const runDirectory = join(directory, "run");
  await train(join(directory, "artifact"), tinyData, options, { runDirectory });
  const { plan, state, parameters } = await loadTrained(join(directory, "artifact"), runDirectory);
  const front = state.weights.get("front.weight");
  expect([...(front?.codes ?? [])]).toEqual(bytes(stateTensor(artifact.checkpoint, "front.weight.codes")));
  const biases = new Map(Array.from(parameters, ([name, value]) => [name, viewAs(value, "float32")]));
  const options2 = { int4: "container" as const, provenance: {} };
  const exported = exportModel(artifact.floatModel, plan, state, biases, options2);
  const names = [...(await exported).model.graph.initializers.keys()];
  expect(names.filter((name) => name.endsWith("weight.codes"))).toHaveLength(3);
});

/** Where the biases of the first layer lie among all, and those of the others. */
const slice = { front: [0, 4], behind: [4, 11] } as const;

test.each([
  ["Tanh", -1e9],
  ["Sigmoid", 1e9],
])("an If trains as its branch %s alone does where that is taken", async (op, bound) => {
  const biasesBehind = async (between: (emit: Emitter, value: string) => string): Promise<number[]> => {
    const built = await mkdtemp(join(directory, "branch-"));
    await writeArtifact(await artifactOf(islandModel(false, between)), built);
    const options = { maxSteps: 20, threads: 1, val: 96, evalEvery: 20 };
    await train(built, tinyData, options, { runDirectory: join(built, "run") });
    const { parameters } = await loadTrained(built, join(built, "run"));
    const read = (name: string): number[] => [...viewAs(parameters.get(name) as Tensor, "float32")];
    return [...read("front.bias"), ...read("back.bias"), ...read("head.bias")];
  };
  const alone = await biasesBehind((emit, value) => emit.op(op, [value]));
  const branched = await biasesBehind((emit, value) => emitIf(emit, value, bound));
  const start = ["front.bias", "back.bias", "head.bias"].flatMap((name) => [
    ...viewAs(islandModel().graph.initializers.get(name) as Tensor, "float32"),
  ]);
  const distance = (a: number[], b: number[]): number =>
    Math.hypot(...a.map((each, i) => each - (b[i] ?? NaN)));
  for (const some of [slice.front, slice.behind]) {
    const moved = distance(branched.slice(...some), start.slice(...some));
    expect(distance(branched.slice(...some), alone.slice(...some))).toBeLessThan(0.01 * moved);
  }
});

test("a loss that reaches nothing that trains is an error that names what is in the way", async () => {
  await expect(artifactOf(islandModel(true), withoutLabels)).rejects.toThrow(
    /reaches nothing that trains; it ends at 1 node: Loop "island"/,
  );
});
