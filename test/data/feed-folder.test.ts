import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ModelInput } from "../../src/data/model-input.ts";
import { openDataset } from "../../src/data/open-dataset.ts";
import { codecs } from "../../src/onnx/proto/schema.ts";
import { dataTypes } from "../../src/tensor/data-type.ts";
import { ints, type Tensor, toNumbers } from "../../src/tensor/tensor.ts";
import { randomTensor } from "../support/random-tensor.ts";
import { writeNpz } from "../support/write-numpy.ts";

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "efqat-feeds-"));
});
afterAll(() => rm(root, { recursive: true }));

const int64 = (low: number) => ({ low, high: 0, unsigned: false });

/** A tensor as `onnx.numpy_helper.from_array(array, name).SerializeToString()` writes it. */
const tensorFile = ({ dtype, dims, bytes }: Tensor, name = ""): Uint8Array =>
  codecs.TensorProto.encode({
    name,
    dims: dims.map(int64),
    dataType: dataTypes[dtype].code,
    rawData: bytes,
  }).finish();

const inputs: ModelInput[] = [
  { name: "x", dtype: "float32", shape: ["batch", 3], batchAxis: 0 },
  { name: "state", dtype: "float32", shape: [2, "batch", 2], batchAxis: 1 },
  { name: "rate", dtype: "int64", shape: [], batchAxis: -1 },
];

const sample = (index: number): Record<string, Tensor> => ({
  x: randomTensor([1, 3], index),
  state: randomTensor([2, 1, 2], 50 + index),
  rate: ints([16000], []),
});

async function testSets(names: (input: string) => string): Promise<string> {
  const folder = await mkdtemp(join(root, "sets-"));
  for (const index of [0, 1, 10]) {
    const set = join(folder, `test_data_set_${index}`);
    await mkdir(set);
    for (const [port, [name, tensor]] of Object.entries(sample(index)).entries())
      await writeFile(join(set, `input_${port}.pb`), tensorFile(tensor, names(name)));
    await writeFile(join(set, "output_0.pb"), tensorFile(randomTensor([1], 1)));
  }
  return folder;
}

describe("a folder of full feeds", () => {
  test.each([
    ["numbered in the order of the inputs", () => ""],
    ["named after the inputs", (name: string) => name],
  ])("ONNX test data sets, %s", async (_name, names) => {
    const dataset = await openDataset({ path: await testSets(names) }, inputs);
    expect([dataset.length, dataset.samplesPerRun]).toEqual([3, undefined]);
    const { size, inputs: fed } = await dataset.read([2, 0]);
    expect(size).toBe(2);
    expect(Object.values(fed).map(({ dims }) => dims)).toEqual([[2, 3], [2, 2, 2], []]);
    const [late, first] = [sample(10), sample(0)] as Record<string, Tensor>[];
    const rows = (from: Record<string, Tensor> | undefined, name: string): number[] =>
      toNumbers(from?.[name] as Tensor);
    expect(toNumbers(fed["x"] as Tensor)).toEqual([...rows(late, "x"), ...rows(first, "x")]);
    const [a, b] = [rows(late, "state"), rows(first, "state")];
    expect(toNumbers(fed["state"] as Tensor)).toEqual([
      ...[...a.slice(0, 2), ...b.slice(0, 2)],
      ...[...a.slice(2), ...b.slice(2)],
    ]);
    expect(toNumbers(fed["rate"] as Tensor)).toEqual([16000]);
  });

  test(".npz files of differing shapes are fed one at a time", async () => {
    const folder = await mkdtemp(join(root, "npz-"));
    for (const length of [4, 7])
      await writeNpz(join(folder, `${length}.npz`), { ids: ints(Array(length).keys(), [1, length]) });
    const ids: ModelInput[] = [{ name: "ids", dtype: "int64", shape: ["n", "length"], batchAxis: 0 }];
    const dataset = await openDataset({ path: folder }, ids);
    expect([dataset.length, dataset.samplesPerRun]).toEqual([2, 1]);
    expect((await dataset.read([1])).inputs["ids"]?.dims).toEqual([1, 7]);
    expect(dataset.describe()).toMatchObject({ format: "feeds", inputs: { ids: ["[1, 4]", "[1, 7]"] } });
  });

  test("inputs that differ between feeds and have no batch are fed one at a time", async () => {
    const folder = await mkdtemp(join(root, "rates-"));
    for (const rate of [8000, 16000])
      await writeNpz(join(folder, `${rate}.npz`), { ...sample(1), rate: ints([rate], []) });
    const dataset = await openDataset({ path: folder }, inputs);
    expect(dataset.samplesPerRun).toBe(1);
    expect(toNumbers((await dataset.read([1])).inputs["rate"] as Tensor)).toEqual([8000]);
  });

  test("what is missing, damaged or of another shape is an error that names the file", async () => {
    const folder = await mkdtemp(join(root, "bad-"));
    await writeNpz(join(folder, "a.npz"), { x: randomTensor([1, 3], 1) });
    await expect(openDataset({ path: folder }, inputs)).rejects.toMatchObject({
      code: "data/names",
      where: join(folder, "a.npz"),
    });
    const set = await mkdtemp(join(root, "set-"));
    await writeFile(join(set, "input_0.pb"), Buffer.from([255, 255, 255]));
    await expect(openDataset({ path: set }, inputs)).rejects.toMatchObject({
      code: "model/tensor-file",
      message: expect.stringContaining("does not hold an ONNX tensor") as string,
    });
    await writeFile(join(set, "input_0.pb"), tensorFile(randomTensor([1, 5], 1)));
    await expect(openDataset({ path: set }, inputs.slice(0, 1))).rejects.toMatchObject({
      code: "data/shape",
    });
  });
});

describe("a JavaScript module", () => {
  const write = async (name: string, text: string): Promise<string> => {
    const path = join(root, name);
    await writeFile(path, text);
    return path;
  };

  test("whose batches differ in shape is fed one sample at a time", async () => {
    const path = await write(
      "lengths.mjs",
      `export default function* () {
        for (const length of [4, 7])
          yield { inputs: { ids: { data: new BigInt64Array(2 * length).fill(BigInt(length)), dims: [2, length] } } };
      }`,
    );
    const ids: ModelInput[] = [{ name: "ids", dtype: "int64", shape: ["n", "length"], batchAxis: 0 }];
    const dataset = await openDataset({ path }, ids);
    expect([dataset.length, dataset.samplesPerRun]).toEqual([4, 1]);
    expect((await dataset.read([3])).inputs["ids"]?.dims).toEqual([1, 7]);
  });

  test("gives samples first, also where the model's batch is another dimension", async () => {
    const path = await write(
      "state.mjs",
      `const data = Float32Array.from({ length: 12 }, (_, i) => i);
      export default {
        length: 3,
        read: (indices) => ({ inputs: { state: {
          data: Float32Array.from(indices.flatMap((i) => [...data.subarray(4 * i, 4 * i + 4)])),
          dims: [indices.length, 2, 2],
        } } }),
      };`,
    );
    const dataset = await openDataset({ path }, inputs.slice(1, 2));
    const state = (await dataset.read([2, 0])).inputs["state"] as Tensor;
    expect(state.dims).toEqual([2, 2, 2]);
    expect(toNumbers(state)).toEqual([8, 9, 0, 1, 10, 11, 2, 3]);
  });
});
