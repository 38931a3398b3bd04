import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { UserError } from "../../src/errors.ts";
import { subgraphsOf } from "../../src/ir/attributes.ts";
import { Emitter } from "../../src/ir/emit.ts";
import { createGraph, createModel, createValue } from "../../src/ir/graph.ts";
import type { Graph } from "../../src/ir/model.ts";
import { verifyModel } from "../../src/ir/verify.ts";
import { nchwcDomain } from "../../src/lowering/nchwc.ts";
import { encodeModel } from "../../src/onnx/index.ts";
import { withSession } from "../../src/runtime/open-model.ts";
import { Session } from "../../src/runtime/session.ts";
import { ints, type Tensor, viewAs } from "../../src/tensor/tensor.ts";
import { type Artifact, readArtifact, writeArtifact } from "../../src/training/artifact.ts";
import type { AlgorithmTrials } from "../../src/training/artifact/forward-candidate.ts";
import { quantizationStateOf } from "../../src/training/artifact/plan.ts";
import { loadsNchwc } from "../../src/training/costs/loads-nchwc.ts";
import { feedsFor, stateTensor } from "../../src/training/state.ts";
import { randomTensor } from "../support/random-tensor.ts";
import { artifactOf, tinyArtifact, tinyMeasure } from "./tiny-network.ts";

let artifact: Artifact;
let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "artifact-"));
  artifact = await tinyArtifact({ wbits: 4 });
});
afterAll(async () => rm(directory, { recursive: true, force: true }));

test("the training model has the inputs and outputs of the contract", async () => {
  const session = await Session.create(encodeModel(artifact.trainingModel));
  const names = (ports: readonly { name: string }[]): string[] => ports.map(({ name }) => name);
  const { weights, activations, parameters, targets } = artifact.manifest;
  expect(weights.map(({ name }) => name)).toEqual([
    "stem.weight",
    "depth.weight",
    "point.weight",
    "head.weight",
  ]);
  expect(names(session.inputs)).toEqual([
    "x",
    ...targets.map(({ name }) => name),
    ...weights.flatMap(({ name }) => [`${name}.codes`, `${name}.scale`]),
    ...activations.flatMap(({ name }) => [`${name}.scale`, `${name}.zero_point`]),
    ...parameters.map(({ name }) => name),
    ...weights.map(({ name }) => `${name}.rows`),
  ]);
  const trained = activations.flatMap(({ name, scaleGrad, zeroPointGrad }) => [
    ...(scaleGrad === null ? [] : [`${name}.scale.grad`]),
    ...(zeroPointGrad === null ? [] : [`${name}.zero_point.grad`]),
  ]);
  expect(trained.length).toBeGreaterThan(4);
  expect(names(session.outputs)).toEqual([
    "loss",
    ...weights.flatMap(({ name }) => [`${name}.grad`, `${name}.scale.grad`]),
    ...trained,
    ...parameters.map(({ name }) => `${name}.grad`),
  ]);
  await session.release();
});

test("the models are sound, and the evaluation model gives the loss and the source's outputs", () => {
  for (const model of [artifact.trainingModel, artifact.evalModel, artifact.optimizerModel])
    verifyModel(model);
  expect(artifact.evalModel.graph.outputs.map(({ name }) => name)).toEqual(["loss", "scores"]);
  const domains = new Set(domainsIn(artifact.trainingModel.graph));
  expect(domains.has("com.microsoft")).toBe(artifact.manifest.usesContribOps);
});

test("a portable artifact uses operators of the default domain alone", async () => {
  const portable = await tinyArtifact({ portable: true });
  expect(portable.manifest.usesContribOps).toBe(false);
  expect([...portable.trainingModel.opsets.keys()]).toEqual([""]);
  expect(new Set(domainsIn(portable.trainingModel.graph))).toEqual(new Set([""]));
});

/** Takes operators on channels in blocks wherever they are among the algorithms. */
const inBlocks: AlgorithmTrials = async () => ({
  answer: ({ algorithms, guess }) => (algorithms.includes("nchwc") ? "nchwc" : guess),
});

test("operators on channels in blocks come in where they are allowed, and in no other artifact", async () => {
  const domains = async (options: { nchwc?: boolean; portable?: boolean }): Promise<string[]> => {
    const { trainingModel } = await tinyArtifact({ tune: inBlocks, ...options });
    verifyModel(trainingModel);
    expect(new Set(trainingModel.opsets.keys())).toEqual(new Set(["", ...domainsIn(trainingModel.graph)]));
    return [...trainingModel.opsets.keys()];
  };
  expect(await domains({ nchwc: true })).toContain(nchwcDomain);
  expect(await domains({})).not.toContain(nchwcDomain);
  expect(await domains({ nchwc: true, portable: true })).toEqual([""]);
});

test.skipIf(!(await loadsNchwc()))(
  "operators on blocks of channels, where ONNX Runtime has kernels for them, give the same gradients",
  async () => {
    const session = { threads: 1 };
    const images = randomTensor([16, 1, 8, 8], 1);
    const targets: Record<string, Tensor> = {};
    for (const { name, type, shape } of artifact.manifest.targets) {
      const dims = [16, ...shape.slice(1)].map(Number);
      targets[name] =
        type === "int64" ? ints(Array.from({ length: 16 }, (_, at) => at % 3)) : randomTensor(dims, 2);
    }
    const gradients = async (options: { nchwc: boolean }): Promise<Record<string, Tensor>> => {
      const { trainingModel, checkpoint } = await tinyArtifact({ tune: inBlocks, ...options });
      return withSession(trainingModel, session, (opened) =>
        opened.run(feedsFor(opened, { x: images }, targets, checkpoint)),
      );
    };
    const [plain, blocked] = [await gradients({ nchwc: false }), await gradients({ nchwc: true })];
    for (const [name, tensor] of Object.entries(plain)) {
      const other = viewAs(blocked[name] as Tensor, "float32");
      for (const [at, value] of viewAs(tensor, "float32").entries()) expect(other[at]).toBeCloseTo(value, 4);
    }
  },
);

/** The domain of every node, those of branches and loop bodies included. */
const domainsIn = ({ nodes }: Graph): string[] =>
  nodes.flatMap((node) => [node.domain, ...subgraphsOf(node).flatMap(domainsIn)]);

test("open arithmetics are chosen among all combinations, the most exact first; without a choice by estimate", async () => {
  const built = async (chosen?: number): Promise<string> => {
    const { manifest, trainingModel } = await tinyArtifact({
      forward: ["integer", "float"],
      backward: ["integer", "float"],
      loss: { kind: "cross-entropy", hasLabels: true },
      trials: {
        measure: tinyMeasure,
        ...(chosen === undefined
          ? {}
          : { choose: async ({ models }) => (expect(models).toHaveLength(4), chosen) }),
      },
    });
    const count = trainingModel.graph.nodes.filter(({ opType }) => opType === "QLinearConv").length;
    return `${manifest.forward} ${manifest.backward} ${count > 0}`;
  };
  expect([await built(0), await built(1), await built(2), await built(3), await built()]).toEqual([
    "float float false",
    "integer float true",
    "float integer true",
    "integer integer true",
    "integer float true",
  ]);
});

test("a backward in codes of linear layers alone has nothing to measure before", async () => {
  const graph = createGraph("linear");
  const emit = new Emitter(graph);
  graph.inputs.push(createValue("x", "float32", ["N", 1, 8, 8]));
  const weight = (name: string, dims: number[], seed: number): string => {
    graph.initializers.set(name, randomTensor(dims, seed));
    return name;
  };
  const flat = emit.op("Flatten", ["x"], { axis: 1 });
  const hidden = emit.op("Relu", [emit.op("MatMul", [flat, weight("first", [64, 64], 1)])]);
  emit.node("MatMul", [hidden, weight("second", [64, 3], 2)], { outputs: ["scores"] });
  graph.outputs.push(createValue("scores", "float32", ["N", 3]));
  const { manifest, trainingModel } = await artifactOf(createModel(graph, 13), {
    forward: ["integer"],
    backward: ["integer"],
    loss: { kind: "cross-entropy", hasLabels: true },
    trials: { measure: () => Promise.reject(new Error("there is nothing to measure")) },
  });
  expect(manifest.backward).toBe("integer");
  const products = trainingModel.graph.nodes.filter(({ opType }) => opType.startsWith("MatMulInteger"));
  expect(products.length).toBeGreaterThan(0);
});

test("reads back what it wrote, and builds the same twice", async () => {
  await writeArtifact(artifact, directory);
  const read = await readArtifact(directory);
  expect(read.manifest).toEqual(artifact.manifest);
  const again = await tinyArtifact({ wbits: 4 });
  for (const part of ["trainingModel", "evalModel", "optimizerModel", "floatModel"] as const) {
    const bytes = Buffer.from(encodeModel(artifact[part]));
    expect(Buffer.from(encodeModel(read[part])).equals(bytes)).toBe(true);
    expect(Buffer.from(encodeModel(again[part])).equals(bytes)).toBe(true);
  }
  expect(new Set(read.checkpoint.keys())).toEqual(new Set(artifact.checkpoint.keys()));
  for (const [name, tensor] of artifact.checkpoint)
    expect(Buffer.from(stateTensor(read.checkpoint, name).bytes).equals(Buffer.from(tensor.bytes))).toBe(
      true,
    );
});

test("the checkpoint has every state input of the three graphs", () => {
  const { inputs, targets, optimizer } = artifact.manifest;
  const fed = new Set([...inputs, ...targets].map(({ name }) => name));
  const wanted = [
    ...artifact.trainingModel.graph.inputs.map(({ name }) => name).filter((name) => !fed.has(name)),
    ...optimizer.inputs.filter(({ role }) => role === "state").map(({ name }) => name),
  ];
  expect(wanted.filter((name) => !artifact.checkpoint.has(name))).toEqual([]);
});

test("the plan and the state come back out of manifest and checkpoint", () => {
  const { plan, state, parameters } = quantizationStateOf(artifact.manifest, artifact.checkpoint);
  expect(plan.weights.map(({ bits }) => bits)).toEqual([4, 4, 4, 4]);
  const point = state.weights.get("point.weight");
  expect(point?.shape).toEqual([8, 8, 1, 1]);
  expect(point?.codes.every((code) => code >= -8 && code <= 7)).toBe(true);
  for (const { zeroPoint, qmin, qmax } of state.activations.values()) {
    expect(Number.isInteger(zeroPoint)).toBe(true);
    expect(zeroPoint >= qmin && zeroPoint <= qmax).toBe(true);
  }
  expect([...parameters.keys()].sort()).toEqual(["depth.bias", "head.bias", "point.bias", "stem.bias"]);
});

test("flops: bounds on the codes of the input hide nothing", async () => {
  const narrow = await tinyArtifact({ wbits: 4, abits: 4 });
  expect(narrow.manifest.flops).toEqual(artifact.manifest.flops);
});

test("flops: the forward counts each convolution and product once, a row its share", () => {
  const { flops } = artifact.manifest;
  const stem = 2 * 16 * 8 * 64 * 9;
  const point = 2 * 16 * 8 * 64 * 8;
  const head = 2 * 16 * 8 * 3;
  expect(flops.forward).toBe(2 * stem + point + head);
  expect(flops.backwardData).toBe(stem + point + head);
  expect(flops.backwardWeightFull).toBe(flops.forward);
  expect(flops.backwardWeightPerRow["point.weight"]).toBe(point / 8);
});

test("rows start from float weights that round to the deployed codes", () => {
  for (const { codes, rows, latent, scale, shape, axis } of artifact.manifest.weights) {
    const count = Number(stateTensor(artifact.checkpoint, rows).dims[0]);
    expect(count).toBe(Math.round(0.25 * (shape[axis] as number)));
    expect(stateTensor(artifact.checkpoint, latent).dims[0]).toBe(count);
    expect(viewAs(stateTensor(artifact.checkpoint, scale), "float32").every((value) => value > 0)).toBe(true);
    expect(stateTensor(artifact.checkpoint, codes).dims).toEqual(shape);
  }
});

test.each([0, -1, 1.5])("refuses a batch of %s", async (batch) => {
  await expect(tinyArtifact({ batch })).rejects.toThrow(UserError);
});

test("a folder without a manifest is no artifact", async () => {
  await expect(readArtifact(join(directory, "nothing"))).rejects.toThrow(/not a training artifact/);
});
