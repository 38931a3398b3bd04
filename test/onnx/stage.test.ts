import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { loadModel, removeUnusedData, stageModel } from "../../src/onnx/index.ts";
import { floats } from "../../src/tensor/tensor.ts";
import { tinyModel } from "../training/tiny-network.ts";

let folder: string;
const at = (name: string): string => join(folder, name);
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), "efqat-stage-"))));
afterEach(() => rm(folder, { recursive: true, force: true }));

const external = { externalData: "always", threshold: 1 } as const;
/** The tiny model with another bias. */
function otherModel() {
  const model = tinyModel();
  model.graph.initializers.set("head.bias", floats([1, 2, 3], [3]));
  return model;
}
const biasOf = async (file: string): Promise<Uint8Array | undefined> =>
  (await loadModel(file)).graph.initializers.get("head.bias")?.bytes;

test("a staged model can be loaded before it has its name, and what was there stays until then", async () => {
  await (await stageModel(tinyModel(), at("m.onnx"), external)).commit();
  const before = await readdir(folder);
  const staged = await stageModel(otherModel(), at("m.onnx"), external);
  expect(await biasOf(staged.path)).toEqual(floats([1, 2, 3], [3]).bytes);
  expect(await biasOf(at("m.onnx"))).toEqual(tinyModel().graph.initializers.get("head.bias")?.bytes);
  await staged.discard();
  expect(await readdir(folder)).toEqual(before);
  expect(await biasOf(at("m.onnx"))).toEqual(tinyModel().graph.initializers.get("head.bias")?.bytes);
});

test("a model with a data file replaces another one together with its data, in one move", async () => {
  await (await stageModel(tinyModel(), at("m.onnx"), external)).commit();
  const old = (await readdir(folder)).filter((name) => name.endsWith(".data"));
  const staged = await stageModel(otherModel(), at("m.onnx"), external);
  await staged.commit();
  const names = await readdir(folder);
  expect(names).toHaveLength(2);
  expect(names).not.toContain(old[0]);
  expect(await biasOf(at("m.onnx"))).toEqual(floats([1, 2, 3], [3]).bytes);
  expect(staged.bytes).toBeGreaterThan(4096);
  // Without a data file, the one before it has no use either.
  await (await stageModel(tinyModel(), at("m.onnx"))).commit();
  expect(await readdir(folder)).toEqual(["m.onnx"]);
});

test("the same model again keeps the data file it shares with the one that is there, committed or not", async () => {
  await (await stageModel(tinyModel(), at("m.onnx"), external)).commit();
  const before = await Promise.all((await readdir(folder)).sort().map((name) => readFile(at(name))));
  const again = await stageModel(tinyModel(), at("m.onnx"), external);
  await again.discard();
  await (await stageModel(tinyModel(), at("m.onnx"), external)).commit();
  const after = await Promise.all((await readdir(folder)).sort().map((name) => readFile(at(name))));
  expect(after).toEqual(before);
});

test("data files that a killed run left are removed; those of other names are not", async () => {
  await (await stageModel(tinyModel(), at("m.onnx"), external)).commit();
  const used = await readdir(folder);
  await writeFile(at("m.onnx.0123456789abcdef.data"), "left");
  await writeFile(at("m.onnx.data"), "somebody's");
  await removeUnusedData(at("m.onnx"));
  expect((await readdir(folder)).sort()).toEqual([...used, "m.onnx.data"].sort());
});
