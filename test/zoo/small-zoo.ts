import { copyFile, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { floats } from "../../src/tensor/tensor.ts";
import { saveModel } from "../../src/onnx/index.ts";
import { buildModel } from "../support/build-model.ts";
import { loop } from "../support/hostile/bombs.ts";
import { randomTensor } from "../support/random-tensor.ts";
import { writeNpz } from "../support/write-numpy.ts";

/** Writes a model x [N, 4] -> y [N, 3] of one layer, and 8 samples beside it. */
export async function writeLayer(folder: string, name: string, seed = 1): Promise<void> {
  const model = buildModel({
    inputs: { x: ["N", 4] },
    outputs: ["y"],
    build: (emit) =>
      void emit.op("MatMul", ["x", emit.constant(randomTensor([4, 3], seed))], {}, { outputs: ["y"] }),
  });
  await saveModel(model, join(folder, `${name}.onnx`));
  await writeNpz(join(folder, `${name}.npz`), { x: randomTensor([8, 4], seed + 1) });
}

/** A layer whose result goes around in a loop that does not end. */
async function writeHanging(folder: string): Promise<void> {
  const model = buildModel({
    inputs: { x: ["N", 4] },
    outputs: ["y"],
    build(emit) {
      const product = emit.op("MatMul", ["x", emit.constant(randomTensor([4, 3], 1))]);
      const mean = emit.op("ReduceMean", [product], { keepdims: 0 });
      const start = emit.op("Add", [mean, emit.constant(floats([0], [1]))]);
      loop(emit, 2n ** 62n, start, ["y"]);
    },
  });
  await saveModel(model, join(folder, "hangs.onnx"));
  await writeNpz(join(folder, "hangs.npz"), { x: randomTensor([8, 4], 2) });
}

/** A folder with one model that works and four that are broken: truncated, cyclic, too large for its limit, without end. */
export async function writeSmallZoo(): Promise<{ folder: string; file: string }> {
  const folder = await mkdtemp(join(tmpdir(), "efqat-zoo-"));
  await writeLayer(folder, "works");
  await writeHanging(folder);
  await copyFile(join(folder, "works.onnx"), join(folder, "large.onnx"));
  const bytes = await readFile("fixtures/resnet20/model.onnx");
  await writeFile(join(folder, "truncated.onnx"), bytes.subarray(0, 5e5));
  const cyclic = buildModel({
    inputs: { x: ["N", 4] },
    outputs: ["y"],
    build(emit) {
      emit.op("Add", ["x", "b"], {}, { outputs: ["a"] });
      emit.op("Relu", ["a"], {}, { outputs: ["b"] });
      emit.op("Relu", ["b"], {}, { outputs: ["y"] });
    },
  });
  await saveModel(cyclic, join(folder, "cyclic.onnx"));
  const file = join(folder, "zoo.yaml");
  await writeFile(file, manifest);
  return { folder, file };
}

const manifest = `version: 1
out: out
defaults: {data: works.npz, options: {samples: 8}, limits: {time: 60s}}
models:
  - path: works.onnx
  - {path: large.onnx, limits: {memory: 40MB}}
  - {path: hangs.onnx, data: hangs.npz, limits: {time: 4s}}
  - path: truncated.onnx
  - path: cyclic.onnx
`;
