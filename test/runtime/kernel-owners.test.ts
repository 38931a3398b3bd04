import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { graphAttribute } from "../../src/ir/attributes.ts";
import { Emitter } from "../../src/ir/emit.ts";
import { createGraph, createValue } from "../../src/ir/graph.ts";
import { kernelOwners } from "../../src/runtime/kernel-owners.ts";
import { openSession } from "../../src/runtime/open-model.ts";
import { profiledIn, readProfile } from "../../src/runtime/read-profile.ts";
import { readOptimized } from "../../src/runtime/read-optimized.ts";
import { ints } from "../../src/tensor/tensor.ts";
import { buildModel } from "../support/build-model.ts";
import { randomTensor } from "../support/random-tensor.ts";

/** What ONNX Runtime renames, fuses, takes apart and puts changes of layout around, and a branch. */
const model = buildModel({
  inputs: { x: [2, 16, 8, 8], rows: ["int64", "R"] },
  outputs: ["y", "z", "picked"],
  build(emit) {
    const weight = emit.constant(randomTensor([16, 16, 3, 3], 1));
    const conv = emit.op("Conv", ["x", weight], { pads: [1, 1, 1, 1] });
    emit.op("HardSwish", [conv], {}, { outputs: ["y"] });
    const flat = emit.op("Reshape", [conv, emit.constant(ints([2, 16, 64]))]);
    const turned = emit.op("Transpose", [flat], { perm: [0, 2, 1] });
    emit.op("MatMul", [flat, turned], {}, { outputs: ["z"] });
    const branch = (name: string, opType: string) => {
      const graph = createGraph(name);
      const inner = new Emitter(graph, emit);
      const gathered = inner.op("Gather", [flat, "rows"], { axis: 1 });
      graph.outputs.push(createValue(inner.op(opType, [gathered]), "float32", undefined));
      return graphAttribute(graph);
    };
    const some = emit.op("Greater", [emit.op("Size", ["rows"]), emit.constant(ints([3], []))]);
    const branches = { then_branch: branch("then", "Exp"), else_branch: branch("else", "Neg") };
    emit.op("If", [some], branches, { outputs: ["picked"] });
  },
});

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "efqat-owners-"));
});
afterAll(() => rm(folder, { recursive: true }));

test("every kernel that ONNX Runtime runs is counted to a node of the source", async () => {
  const names = new Set(model.graph.nodes.map(({ name }) => name));
  const session = await openSession(model, { threads: 1, ...profiledIn(folder, model) });
  for (const count of [2, 5]) {
    const rows = ints(Array.from({ length: count }, (_, row) => row));
    await session.run({ x: randomTensor([2, 16, 8, 8], 2), rows });
  }
  session.endProfile();
  await session.release();
  const runs = await readProfile(folder, model.graph);
  expect(runs).toHaveLength(2);
  const kernels = runs.flat();
  for (const { node, kernel } of kernels) expect(names, kernel).toContain(node);
  const ownersOf = (opType: string): string[] => [
    ...new Set(kernels.filter((each) => each.opType === opType).map(({ node }) => opOf(node))),
  ];
  // Neither has a node of its name: parts of HardSwish, and the branches of If.
  expect(ownersOf("HardSigmoid")).toEqual(["HardSwish"]);
  expect(ownersOf("Exp")).toEqual(["If"]);
  expect(ownersOf("Neg")).toEqual(["If"]);
  expect(ownersOf("FusedMatMul")).toEqual(["MatMul"]);
});

test("a graph as it is owns itself", () => {
  const { named, nameless } = kernelOwners(model.graph, model.graph);
  for (const { name } of model.graph.nodes) expect(named.get(name)).toBe(name);
  expect(nameless.size).toBe(0);
});

test("changes of layout belong to what they are made for", async () => {
  const { graph } = await readOptimized(model);
  const { named } = kernelOwners(model.graph, graph);
  const moved = graph.nodes.filter(({ opType }) => opType.startsWith("Reorder"));
  for (const { name } of moved) expect(["Conv", "HardSwish", "Reshape"]).toContain(opOf(named.get(name)));
});

const opOf = (name: string | undefined): string =>
  model.graph.nodes.find((node) => node.name === name)?.opType ?? "";
