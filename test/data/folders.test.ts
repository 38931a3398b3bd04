import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Batch } from "../../src/data/dataset.ts";
import type { ModelInput } from "../../src/data/model-input.ts";
import { openDataset } from "../../src/data/open-dataset.ts";
import type { DataSpec } from "../../src/data/spec.ts";
import { hasSplit } from "../../src/data/splits.ts";
import { ints, type Tensor, toNumbers } from "../../src/tensor/tensor.ts";
import { catchUserError } from "../support/catch-error.ts";
import { encodeNpy } from "../support/write-numpy.ts";
import { float32Npy } from "../support/zip-files.ts";

let folder: string;
const at = (name: string): string => join(folder, name);
const put = async (name: string, content: string | Uint8Array): Promise<void> => {
  await mkdir(dirname(at(name)), { recursive: true });
  await writeFile(at(name), content);
};
const row = (...values: number[]): Uint8Array => float32Npy([values.length], Float32Array.from(values));
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "efqat-folders-"));
});
afterAll(() => rm(folder, { recursive: true }));

const x = (...shape: (string | number)[]): ModelInput[] => [{ name: "x", dtype: "float32", shape }];
const read = async (spec: DataSpec, inputs: ModelInput[], ...indices: number[]): Promise<Batch> =>
  (await openDataset(spec, inputs)).read(indices);
const valuesOf = ({ inputs }: Batch, name = "x"): number[] => toNumbers(inputs[name] as Tensor);

describe("folders of .npy files", () => {
  test("hold one sample each, labelled by the folders of classes", async () => {
    await put("classes/cat/0.npy", row(1, 2));
    await put("classes/dog/1.npy", row(3, 4));
    const dataset = await openDataset({ path: at("classes") }, x("n", 2));
    const batch = await dataset.read([1, 0]);
    expect(valuesOf(batch)).toEqual([3, 4, 1, 2]);
    expect(Array.from(batch.labels ?? [])).toEqual([1, 0]);
    expect(dataset.describe()).toMatchObject({ format: ".npy files", classNames: ["cat", "dog"] });
  });

  test("of differing shapes are fed one at a time; labels.npy beside them labels them", async () => {
    await put("plain/a.npy", row(1, 2, 3));
    await put("plain/b.npy", row(4, 5));
    await put("plain/labels.npy", encodeNpy(ints([7, 9])));
    const dataset = await openDataset({ path: at("plain") }, x("n", "length"));
    expect([dataset.length, dataset.samplesPerRun]).toEqual([2, 1]);
    expect(valuesOf(await dataset.read([1]))).toEqual([4, 5]);
    expect(Array.from((await dataset.read([1])).labels ?? [])).toEqual([9]);
  });

  test("hold one array per input where they are named so, and targets beside them", async () => {
    await put("named/x.npy", float32Npy([2, 1], Float32Array.of(1, 2)));
    await put("named/y2.npy", float32Npy([2, 1], Float32Array.of(3, 4)));
    await put("named/labels.npy", encodeNpy(ints([0, 1])));
    const inputs: ModelInput[] = [...x("n", 1), { name: "y2", dtype: "float32", shape: ["n", 1] }];
    const batch = await read({ path: at("named") }, inputs, 1);
    expect([valuesOf(batch), valuesOf(batch, "y2"), Array.from(batch.labels ?? [])]).toEqual([[2], [4], [1]]);
    const alone = await openDataset({ path: at("named") }, x("n", 1));
    expect(alone.targets?.names).toEqual(["y2"]);
    const other = await catchUserError(() =>
      openDataset({ path: at("named") }, [...x("n", 1), { name: "z", dtype: "float32", shape: ["n", 1] }]),
    );
    expect(other.toParagraph()).toMatch(/arrays labels, x, y2.*inputs x, z/s);
  });

  test("of differing lengths are refused where the model takes one", async () => {
    const error = await catchUserError(() => openDataset({ path: at("plain") }, x("n", 3)));
    expect(error.toParagraph()).toMatch(/\[1, 2\].*b\.npy/s);
  });
});

describe("folders of tables", () => {
  beforeAll(async () => {
    await mkdir(at("shards"));
    for (const shard of [0, 1])
      await cp(
        "fixtures/data-kinds/numbers-snappy.parquet",
        at(`shards/train-0000${shard}-of-00002.parquet`),
      );
    await cp("fixtures/data-kinds/numbers-zstd.parquet", at("shards/validation-00000-of-00001.parquet"));
  });

  test("are one table, row after row", async () => {
    const dataset = await openDataset({ path: at("shards") }, x("n", 3));
    expect(dataset.length).toBe(48);
    const batch = await dataset.read([47, 0, 24, 1]);
    expect(batch.inputs["x"]?.dims).toEqual([4, 3]);
    const values = valuesOf(batch);
    expect(values.slice(3, 6)).toEqual(values.slice(6, 9));
    expect(values[0]).toBeCloseTo(Math.sin(23));
    expect(Array.from(batch.labels ?? [])).toEqual([1, 0, 0, 1]);
  });

  test("with names of parts have these parts", async () => {
    expect(await hasSplit(at("shards"), "test")).toBe(true);
    expect((await openDataset({ path: at("shards"), split: "test" }, x("n", 3))).length).toBe(24);
    await put("train-only/train.csv", "a,label\n1,0\n");
    await put("train-only/train-2.csv", "a,label\n2,1\n");
    const error = await catchUserError(() =>
      openDataset({ path: at("train-only"), split: "test" }, x("n", 1)),
    );
    expect(error.message).toMatch(/no tables of the test split/);
  });

  test("start paths of pictures from the folder, and name the file of a wrong row", async () => {
    await put("csv/a.csv", "a,label\n1,0\n");
    await put("csv/b.csv", "a,label\nx,1\n");
    const wrong = await catchUserError(() => read({ path: at("csv") }, x("n", 1), 1));
    expect(wrong.toParagraph()).toMatch(/b\.csv, row 1/);
    await put("csv/c.csv", "b,label\n1,1\n");
    const other = await catchUserError(() => openDataset({ path: at("csv") }, x("n", 1)));
    expect(other.toParagraph()).toMatch(/columns b, label where .*a\.csv has a, label/s);
    await cp("fixtures/preprocess/0.png", at("pictures/images/0.png"));
    await put("pictures/meta/a.csv", "path\n../images/0.png\n");
    const outside = { path: at("pictures/meta"), resize: 4, crop: 4 };
    const image: ModelInput[] = [{ name: "x", dtype: "float32", shape: ["n", 3, 4, 4] }];
    expect((await catchUserError(() => read(outside, image, 0))).code).toBe("data/outside");
    const inside = { ...outside, images: at("pictures/images") };
    await put("pictures/meta/a.csv", "path\n0.png\n");
    expect((await read(inside, image, 0)).inputs["x"]?.dims).toEqual([1, 3, 4, 4]);
  });

  test("that hold nothing of the kind say so", async () => {
    await put("nothing/readme.md", "text");
    const error = await catchUserError(() => openDataset({ path: at("nothing") }, x("n", 1)));
    expect([error.code, error.message]).toEqual(["data/empty", expect.stringContaining("no samples")]);
  });
});
