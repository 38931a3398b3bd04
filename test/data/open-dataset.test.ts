import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openDataset } from "../../src/data/open-dataset.ts";
import type { ModelInput } from "../../src/data/model-input.ts";
import type { DataSpec } from "../../src/data/spec.ts";
import { floats as tensorFloats, ints, toNumbers, viewAs } from "../../src/tensor/tensor.ts";
import { writeNpz } from "../support/write-numpy.ts";
import { float32Npy } from "../support/zip-files.ts";
import { doublesWithNaN, floats, fortranOrder, pixels, twoInputs } from "./numpy-files.ts";

const grey = (height: number, width = height): ModelInput[] => [
  { name: "x", dtype: "float32", shape: ["batch", 1, height, width] },
];
const open = (spec: DataSpec, inputs: ModelInput[]) => openDataset(spec, inputs);

let folder: string;
beforeAll(async () => (folder = await mkdtemp(join(tmpdir(), "efqat-data-"))));
afterAll(() => rm(folder, { recursive: true }));

async function put(name: string, bytes: Uint8Array | string): Promise<string> {
  const path = join(folder, name);
  await mkdir(join(path, ".."), { recursive: true });
  await writeFile(path, bytes);
  return path;
}
const idxImages = (count: number, height: number, width: number): Uint8Array =>
  Uint8Array.from([
    ...[0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, height, 0, 0, 0, width],
    ...Array.from({ length: count * height * width }, (_, index) => index),
  ]);
const idxLabels = (...labels: number[]): Uint8Array =>
  Uint8Array.from([0, 0, 8, 1, 0, 0, 0, labels.length, ...labels]);

describe("IDX", () => {
  test("Fashion-MNIST from its folder: both splits, normalised, lazily and in any order", async () => {
    const spec = { path: "fixtures/fashion-mnist", split: "test", mean: [0.286], std: [0.353] } as const;
    const dataset = await open({ ...spec, mean: [...spec.mean], std: [...spec.std] }, grey(28));
    expect([dataset.length, dataset.hasLabels, dataset.classes]).toEqual([10000, true, 10]);
    const batch = await dataset.read([7, 0, 7]);
    expect(Array.from(batch.labels ?? [])).toEqual([6, 9, 6]);
    const values = viewAs(batch.inputs["x"] as never, "float32");
    expect(batch.inputs["x"]?.dims).toEqual([3, 1, 28, 28]);
    expect(values[0]).toBeCloseTo(-0.286 / 0.353, 6);
    expect(values.subarray(0, 784)).toEqual(values.subarray(2 * 784));
    const train = await open({ path: spec.path }, grey(28));
    expect(train.length).toBeGreaterThanOrEqual(10000);
  });

  test("a single file, gzipped or not, with its labels named or found beside it", async () => {
    const images = await put("idx/a-images-idx3-ubyte.gz", gzipSync(idxImages(2, 2, 4)));
    const labels = await put("idx/some-labels", idxLabels(3, 4));
    const unlabelled = await open({ path: images, layout: "nchw" }, grey(2, 4));
    expect(unlabelled.hasLabels).toBe(false);
    const named = await open({ path: images, labels }, grey(2, 4));
    const batch = await named.read([1]);
    expect(Array.from(batch.labels ?? [])).toEqual([4]);
    expect(toNumbers(batch.inputs["x"] as never)[0]).toBeCloseTo(8 / 255, 7);
    await put("idx/a-labels-idx1-ubyte", idxLabels(1, 2));
    expect((await open({ path: images }, grey(2, 4))).classes).toBe(3);
    expect((await open({ path: images, labels: "none" }, grey(2, 4))).hasLabels).toBe(false);
  });

  test("a model of three channels and channels last gets grey repeated, last", async () => {
    const images = await put("rgb-images-idx3-ubyte", idxImages(1, 2, 2));
    const batch = await (
      await open({ path: images }, [{ name: "x", dtype: "uint8", shape: [1, 2, 2, 3] }])
    ).read([0]);
    expect(toNumbers(batch.inputs["x"] as never)).toEqual([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]);
  });

  test.each([
    ["truncated", "cut-images-idx3-ubyte", idxImages(3, 2, 2).subarray(0, 20), /ends after 20 of 28/],
    ["no IDX", "text-images-idx3-ubyte", Buffer.from("hello world"), /file is text, not a data set/],
    ["empty", "none-images-idx3-ubyte", idxImages(0, 2, 2), /no samples/],
    [
      "damaged gzip",
      "bad-images-idx3-ubyte.gz",
      Buffer.from("\x1f\x8bhello world", "latin1"),
      /gzipped file is damaged/,
    ],
  ])("%s", async (_what, name, bytes, message) => {
    const path = await put(name, bytes);
    await expect(open({ path }, grey(2))).rejects.toThrow(message);
    await expect(open({ path }, grey(2))).rejects.toMatchObject({ kind: "input", where: path });
  });

  test("labels out of range, too few labels, wrong size and a missing file name file and index", async () => {
    const path = await put("r/t-images-idx3-ubyte", idxImages(2, 2, 2));
    const labels = await put("r/labels", idxLabels(1, 12));
    await expect(open({ path, labels, classes: 10 }, grey(2))).rejects.toThrow(/label of sample 1 is 12/);
    const few = await put("r/few", idxLabels(1));
    await expect(open({ path, labels: few }, grey(2))).rejects.toThrow(/1 labels for 2 samples/);
    const wrong = (await open({ path }, grey(4))).read([1]);
    await expect(wrong).rejects.toMatchObject({
      where: `${path}, image 1`,
      hint: "Fit it with --resize 4x4, or with --resize and --crop.",
    });
    await expect(open({ path: join(folder, "gone") }, grey(2))).rejects.toMatchObject({
      code: "data/unreadable",
    });
  });
});

describe("NumPy files", () => {
  test(".npy feeds the single input", async () => {
    const path = await put("floats.npy", floats);
    const dataset = await open({ path }, [{ name: "x", dtype: "float32", shape: ["n", 2, 2] }]);
    const batch = await dataset.read([2, 0]);
    expect(toNumbers(batch.inputs["x"] as never)).toEqual([2, 2.25, 2.5, 2.75, 0, 0.25, 0.5, 0.75]);
  });

  test(".npz feeds inputs by name, converts types and brings labels", async () => {
    const path = await put("two.npz", twoInputs);
    const dataset = await open({ path }, [
      { name: "a", dtype: "int64", shape: ["n", 2] },
      { name: "b", dtype: "float32", shape: ["n", 1] },
    ]);
    const batch = await dataset.read([1]);
    expect(toNumbers(batch.inputs["a"] as never)).toEqual([3, 4]);
    expect(toNumbers(batch.inputs["b"] as never)).toEqual([1.5]);
    expect(Array.from(batch.labels ?? [])).toEqual([1]);
    const missing = open({ path }, [
      { name: "a", dtype: "int64", shape: ["n", 2] },
      { name: "mask", dtype: "int64", shape: ["n", 2] },
    ]);
    await expect(missing).rejects.toThrow(/arrays a, b, labels but none for the model input "mask"/);
    const pair = [{ name: "c", dtype: "int64" as const, shape: ["n", 2] }];
    await expect(open({ path }, pair)).rejects.toThrow(/none for the model input "c"/);
  });

  test("the one array of an .npz file feeds the one input, whatever its name", async () => {
    const path = join(folder, "alone.npz");
    await writeNpz(path, { images: tensorFloats([1, 2, 3, 4], [2, 2]), labels: ints([0, 1]) });
    const dataset = await open({ path }, [{ name: "input_layer", dtype: "float32", shape: ["n", 2] }]);
    const batch = await dataset.read([1]);
    expect(toNumbers(batch.inputs["input_layer"] as never)).toEqual([3, 4]);
    expect(Array.from(batch.labels ?? [])).toEqual([1]);
    expect(dataset.targets?.names).not.toContain("images");
  });

  test("8-bit images are laid out as the model wants them", async () => {
    const path = await put("pixels.npz", pixels);
    const inputs: ModelInput[] = [{ name: "images", dtype: "float32", shape: ["n", 3, 2, 2] }];
    const dataset = await open({ path, labels: "none", mean: [0, 0.5, 0], std: [1 / 255] }, inputs);
    const values = toNumbers((await dataset.read([0])).inputs["images"] as never);
    expect(values.slice(0, 4).map(Math.round)).toEqual([0, 3, 6, 9]);
    expect(values[4]).toBeCloseTo(1 - 127.5, 4);
    await expect(open({ path }, inputs)).rejects.toThrow(/label of sample 1 is -1/);
  });

  test("float arrays with their channels elsewhere are turned where the shapes leave no doubt", async () => {
    const numbers = Float32Array.from({ length: 12 }, (_, i) => i);
    const path = await put("last.npy", float32Npy([1, 2, 2, 3], numbers));
    const input = (...shape: (number | string)[]): ModelInput[] => [{ name: "x", dtype: "float32", shape }];
    const dataset = await open({ path, mean: [0, 100, 0], std: [1] }, input("n", 3, 2, 2));
    const { inputs } = await dataset.read([0]);
    expect(inputs["x"]?.dims).toEqual([1, 3, 2, 2]);
    expect(toNumbers(inputs["x"] as never)).toEqual([0, 3, 6, 9, -99, -96, -93, -90, 2, 5, 8, 11]);
    expect(dataset.describe()).toMatchObject({ channels: "moved from last to first" });
    const back = await (await open({ path }, input("n", 2, 3, 2))).read([0]);
    expect(toNumbers(back.inputs["x"] as never)).toEqual([0, 6, 1, 7, 2, 8, 3, 9, 4, 10, 5, 11]);
    const wide = await put("wide.npy", float32Npy([1, 5, 6, 3], new Float32Array(90)));
    const open3 = await (await open({ path: wide }, input("n", 3, "h", "w"))).read([0]);
    expect(open3.inputs["x"]?.dims).toEqual([1, 3, 5, 6]);
  });

  test("other arrays with their channels elsewhere need --layout", async () => {
    const input: ModelInput[] = [{ name: "x", dtype: "float32", shape: ["n", 3, "h", "w"] }];
    // Maps so small that they may be channels, and maps of which both orders fit.
    for (const [dims, hint] of [
      [[1, 2, 2, 3], "Say where the data have them: --layout nhwc."],
      [[1, 8, 3, 3], "Say where the data have them: --layout nhwc or --layout nchw."],
    ] as const) {
      const path = await put(
        "doubt.npy",
        float32Npy([...dims], new Float32Array(dims[1] * dims[2] * dims[3])),
      );
      await expect(open({ path }, input)).rejects.toMatchObject({ code: "data/layout", hint });
      const { inputs } = await (await open({ path, layout: "nhwc" }, input)).read([0]);
      expect(inputs["x"]?.dims).toEqual([1, 3, dims[1], dims[2]]);
    }
  });

  test("NaN, Fortran order, wrong shapes and other files are refused with their place", async () => {
    const nan = await open({ path: await put("nan.npy", doublesWithNaN) }, [
      { name: "x", dtype: "float32", shape: ["n", 2] },
    ]);
    await nan.read([0]);
    await expect(nan.read([0, 1])).rejects.toThrow(/Sample 1 holds NaN at element 1/);
    const x: ModelInput[] = [{ name: "x", dtype: "float32", shape: ["n", 2, 2] }];
    await expect(open({ path: await put("f.npy", fortranOrder) }, x)).rejects.toThrow(/Fortran order/);
    await expect(open({ path: await put("t.npy", "text") }, x)).rejects.toThrow(/is text, not a data set/);
    await expect(open({ path: await put("t.npz", "text") }, x)).rejects.toThrow(/is text, not a data set/);
    const wide: ModelInput[] = [{ name: "x", dtype: "float32", shape: ["n", 3, 2] }];
    await expect(open({ path: await put("w.npy", floats) }, wide)).rejects.toThrow(
      /\[3, 2, 2\].*\[n, 3, 2\]/,
    );
  });
});

describe("folders of images", () => {
  const paint = (r: number, g: number, b: number, width = 4): Promise<Buffer> =>
    sharp({ create: { width, height: 4, channels: 3, background: { r, g, b } } })
      .png()
      .toBuffer();

  test("one folder per class in sorted order, resized, cropped", async () => {
    await put("pets/train/dog/1.png", await paint(0, 0, 255));
    await put("pets/train/cat/b.png", await paint(255, 0, 0, 8));
    await put("pets/train/cat/a.png", await paint(0, 255, 0));
    await put("pets/train/cat/readme.txt", "not an image");
    const inputs: ModelInput[] = [{ name: "x", dtype: "float32", shape: ["n", 3, 2, 2] }];
    const dataset = await open({ path: join(folder, "pets"), resize: 3, crop: 2 }, inputs);
    expect(dataset.describe()).toMatchObject({ classNames: ["cat", "dog"], samples: 3, resize: 3, crop: 2 });
    const batch = await dataset.read([0, 1, 2]);
    expect(Array.from(batch.labels ?? [])).toEqual([0, 0, 1]);
    const values = toNumbers(batch.inputs["x"] as never);
    expect(values).toEqual([
      ...[0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0],
      ...[1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0],
      ...[0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1],
    ]);
    await expect(open({ path: join(folder, "pets"), split: "test" }, inputs)).rejects.toThrow(/test split/);
  });

  test("EXIF orientation is applied; a file that is no image is named", async () => {
    const image = await sharp(Uint8Array.from([0, 255]), { raw: { width: 2, height: 1, channels: 1 } })
      .withMetadata({ orientation: 6 })
      .png()
      .toBuffer();
    await put("turned/0/a.png", image);
    const batch = await (await open({ path: join(folder, "turned"), layout: "nchw" }, grey(2, 1))).read([0]);
    expect(toNumbers(batch.inputs["x"] as never)).toEqual([0, 1]);
    const bad = await put("broken/0/a.png", "no image");
    await expect((await open({ path: join(folder, "broken") }, grey(2))).read([0])).rejects.toMatchObject({
      code: "data/image",
      where: bad,
    });
  });
});

describe("JavaScript modules", () => {
  const inputs: ModelInput[] = [{ name: "x", dtype: "float32", shape: ["n", 2] }];

  test("a generator of batches is read in any order", async () => {
    const path = await put(
      "batches.mjs",
      `export default async function* () {
        for (let i = 0; i < 3; i++)
          yield { inputs: { x: { data: Float32Array.of(i, i, i + 0.5, i), dims: [2, 2] } }, labels: [i, 9] };
      }`,
    );
    const dataset = await open({ path, classes: 10 }, inputs);
    expect(dataset.length).toBe(6);
    const batch = await dataset.read([5, 2]);
    expect(toNumbers(batch.inputs["x"] as never)).toEqual([2.5, 2, 1, 1]);
    expect(Array.from(batch.labels ?? [])).toEqual([9, 1]);
    await expect((await open({ path, classes: 9 }, inputs)).read([1])).rejects.toThrow(/sample 1 is 9/);
  });

  test("length and read; wrong names, types and shapes are refused", async () => {
    const module = (expression: string): string =>
      `export default { length: 5, read: (indices) => ({ inputs: { ${expression} } }) };`;
    const good = await put(
      "good.mjs",
      module("x: { data: Float32Array.from(indices.flatMap((i) => [i, 2 * i])), dims: [indices.length, 2] }"),
    );
    const batch = await (await open({ path: good }, inputs)).read([4]);
    expect(toNumbers(batch.inputs["x"] as never)).toEqual([4, 8]);
    const cases: [string, RegExp][] = [
      ["y: { data: new Float32Array(2), dims: [1, 2] }", /gives y but not the model input "x"/],
      ["x: { data: new Float64Array(2), dims: [1, 2] }", /it is float64, not float32/],
      ["x: { data: new Float32Array(3), dims: [1, 2] }", /needs 8 bytes, got 12/],
      ["x: { data: new Float32Array(3), dims: [1, 3] }", /\[1, 3\] where input "x"/],
      ["x: { data: Float32Array.of(0, NaN), dims: [1, 2] }", /Sample 0 holds NaN/],
      ["x: { data: new Float32Array(2), shape: [1, 2] }", /array for input "x" is wrong: it is not {data/],
      ["x: new Float32Array(2)", /array for input "x" is wrong: it is not {data/],
    ];
    for (const [index, [expression, message]] of cases.entries()) {
      const path = await put(`bad${index}.mjs`, module(expression));
      const read = async (): Promise<unknown> => (await open({ path }, inputs)).read([0]);
      await expect(read()).rejects.toThrow(message);
    }
    const loose = await put("loose.mjs", "export default { length: 5, read: () => new Float32Array(2) };");
    await expect(open({ path: loose }, inputs)).rejects.toThrow(
      /gives no inputs but not the model input "x"/,
    );
    const batches = await put(
      "loose-batches.mjs",
      "export default [{ inputs: { x: new Float32Array(2) } }];",
    );
    await expect(open({ path: batches }, inputs)).rejects.toThrow(/must be {inputs: {name: {data, dims}}/);
  });
});
