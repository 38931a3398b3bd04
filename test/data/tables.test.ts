import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Dataset } from "../../src/data/dataset.ts";
import type { ModelInput } from "../../src/data/model-input.ts";
import { openDataset } from "../../src/data/open-dataset.ts";
import type { DataSpec } from "../../src/data/spec.ts";
import { toNumbers } from "../../src/tensor/tensor.ts";
import { catchUserError } from "../support/catch-error.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "efqat-tables-"));
  const pixels = {
    create: { width: 2, height: 2, channels: 3, background: { r: 255, g: 0, b: 51 } },
  } as const;
  await mkdir(join(folder, "images/inner"), { recursive: true });
  await sharp(pixels).png().toFile(join(folder, "images/inner/red.png"));
  await sharp(pixels).greyscale().png().toFile(join(folder, "grey.png"));
  await symlink(join(folder, "grey.png"), join(folder, "images/link.png"));
});
afterAll(() => rm(folder, { recursive: true }));

async function put(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

const features: ModelInput[] = [{ name: "x", dtype: "float32", shape: ["batch", 2] }];
const picture: ModelInput[] = [{ name: "x", dtype: "float32", shape: ["batch", 3, 2, 2] }];
const tokens: ModelInput[] = [
  { name: "input_ids", dtype: "int64", shape: ["batch", "length"] },
  { name: "attention_mask", dtype: "int64", shape: ["batch", "length"] },
];

const open = async (
  name: string,
  content: string | Uint8Array,
  inputs = features,
  spec: Partial<DataSpec> = {},
): Promise<Dataset> => openDataset({ path: await put(name, content), ...spec }, inputs);

const refusal = async (...args: Parameters<typeof open>): Promise<string> =>
  (
    await catchUserError(async () => {
      const dataset = await open(...args);
      await dataset.read(Array.from({ length: dataset.length }, (_, index) => index));
    })
  ).toParagraph();

const valuesOf = async (dataset: Dataset, indices: number[], name = "x"): Promise<number[]> =>
  toNumbers((await dataset.read(indices)).inputs[name] as never);

describe("CSV of numbers", () => {
  test("features beside a label, in any order, as often as asked; identifiers are left out", async () => {
    const dataset = await open("a.csv", '\ufeffid,a,label,b\r\n7,1,0,"2"\r\n\r\n8,3,2,-4.5e0\r\n9,5,1,6');
    expect(dataset).toMatchObject({ length: 3, classes: 3, name: "a.csv" });
    expect(await valuesOf(dataset, [2, 0, 1, 2])).toEqual([5, 6, 1, 2, 3, -4.5, 5, 6]);
    expect(Array.from((await dataset.read([1, 0])).labels ?? [])).toEqual([2, 0]);
    expect(dataset.describe()).toMatchObject({ format: "CSV", columns: { x: ["a", "b"], label: "label" } });
  });

  test("without names, of other separators, gzipped", async () => {
    const spec = { columns: { label: ["1"] } };
    const dataset = await open("b.csv.gz", gzipSync("1;2;3\n0;4;5\n"), features, spec);
    expect(await valuesOf(dataset, [0, 1])).toEqual([2, 3, 4, 5]);
    expect(dataset.classes).toBe(2);
    expect((await open("c.tsv", "a\tb\n1\t2\n")).hasLabels).toBe(false);
  });

  test("a row takes the shape of an input that has as many elements", async () => {
    const input: ModelInput[] = [{ name: "x", dtype: "float32", shape: ["batch", 1, 2, 2] }];
    const dataset = await open("d.csv", "label,p0,p1,p2,p3\n4,0,85,170,255\n", input, {
      mean: [0],
      std: [255],
    });
    expect((await dataset.read([0])).inputs["x"]?.dims).toEqual([1, 1, 2, 2]);
    expect((await valuesOf(dataset, [0]))[3]).toBe(1);
  });

  test("columns that --columns names", async () => {
    const dataset = await open("e.csv", "u,v,w,kind\n1,2,3,cat\n4,5,6,ant\n", features, {
      columns: { x: ["w", "u"], label: ["kind"] },
      classes: 2,
    });
    expect(await valuesOf(dataset, [1])).toEqual([6, 4]);
    expect(Array.from((await dataset.read([0, 1])).labels ?? [])).toEqual([1, 0]);
    expect(dataset.describe()).toMatchObject({ classNames: ["ant", "cat"] });
  });

  test.each<[string, string, Partial<DataSpec>, RegExp]>([
    ["a ragged row", "a,b\n1,2\n3\n", {}, /row has 1 cells where the first row has 2 \(.*bad.csv, line 3\)/],
    ["a quote that does not end", 'a,b\n1,"2\n3,4\n', {}, /quote opens and does not end before .*line 3/],
    ["two columns of one name", "a,a\n1,2\n", {}, /Two columns are named "a"/],
    ["text among numbers", "a,b\n1,2\n3,x\n", {}, /Column "b" holds "x".*row 2/],
    ["an empty cell", "a,b\n1,2\n,4\n", {}, /Column "a" holds nothing.*row 2/],
    ["what is no number", "a,b\n1,nan\n", {}, /Sample 0 holds NaN/],
    ["no rows", "a,b\n", {}, /table has no rows/],
    ["too many columns", "a,b,c\n1,2,3\n", {}, /shape \[1, 3\].*takes \[batch, 2\]/],
    ["a label that is none", "a,b,label\n1,2,0.5\n", {}, /label of sample 0 is 0.5/],
    ["an empty label", "a,b,label\n1,2,\n", {}, /Column "label" holds nothing.*row 1/],
    ["names of fewer classes than the model has", "a,b,y\n1,2,cat\n", { classes: 3 }, /names 1 classes .* 3/],
    ["columns that are not there", "a,b\n1,2\n", { columns: { x: ["c"] } }, /no column "c"; it has: a, b/],
    ["inputs that are not there", "a,b\n1,2\n", { columns: { z: ["a"] } }, /"z", which is no input/],
  ])("%s is refused", async (_, content, spec, message) => {
    expect(await refusal("bad.csv", content, features, spec)).toMatch(message);
  });

  test("text alone names the columns", async () => {
    expect(await refusal("t.csv", "text\nhello\n")).toMatch(
      /columns text but none for .*"x".*--columns x=COLUMN/,
    );
  });
});

describe("JSON lines", () => {
  const lines = (...rows: unknown[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join("");

  test("token lists of one length are stacked", async () => {
    const dataset = await open(
      "a.jsonl",
      `\n${lines({ input_ids: [1, 2], attention_mask: [1, 1] }, { input_ids: [3, 4], attention_mask: [1, 0] })}\n`,
      tokens,
    );
    expect(dataset.samplesPerRun).toBeUndefined();
    expect(await valuesOf(dataset, [1, 0], "input_ids")).toEqual([3, 4, 1, 2]);
  });

  test("those of differing lengths are fed one at a time, with their labels", async () => {
    const rows = [
      { input_ids: [1, 2, 3], attention_mask: [1, 1, 1], label: 1 },
      { input_ids: [4], attention_mask: [1], label: 0 },
    ];
    const dataset = await open("b.jsonl", lines(...rows), tokens);
    expect(dataset).toMatchObject({ samplesPerRun: 1, classes: 2, length: 2 });
    expect(await valuesOf(dataset, [1], "input_ids")).toEqual([4]);
    expect(Array.from((await dataset.read([0])).labels ?? [])).toEqual([1]);
    const spaced = "input_ids,attention_mask\n1 2,1 1\n[3],[1]\n";
    expect(await valuesOf(await open("b.csv", spaced, tokens), [0], "input_ids")).toEqual([1, 2]);
  });

  test.each<[string, string, RegExp]>([
    ["a line that is cut off", '{"x": [1, 2]}\n{"x": [1,', /no JSON: .*bad.jsonl, line 2/],
    ["a list", "[1, 2]\n", /it is a list.*line 1.*jq/],
    ["a row without a value", '{"x": [1, 2]}\n\n{}\n', /"x" holds nothing.*line 3/],
    ["another shape", '{"x": [[1], [2, 3]]}\n', /parts differ in length.*line 1/],
    ["an object", '{"x": {"a": 1}}\n', /holds an object/],
    ["too large a number for the type", '{"x": [1e30, 2]}\n', /holds 1e\+30 where the model takes int64/],
  ])("%s is refused", async (_, content, message) => {
    const inputs: ModelInput[] = [{ name: "x", dtype: "int64", shape: ["batch", 2] }];
    expect(await refusal("bad.jsonl", content, inputs)).toMatch(message);
  });
});

describe("paths of pictures", () => {
  test("start from the folder of the table; classes have numbers or names", async () => {
    const dataset = await open("p.csv", "image,label\nimages/inner/red.png,1\ngrey.png,0\n", picture);
    expect(dataset).toMatchObject({ length: 2, classes: 2 });
    const values = await valuesOf(dataset, [0, 1]);
    expect([values[0], values[4], values[8]?.toFixed(3)]).toEqual([1, 0, "0.200"]);
    const named = '{"path": "images/inner/red.png", "class": "b"}\n{"path": "grey.png", "class": "a"}\n';
    expect(Array.from((await (await open("p.jsonl", named, picture)).read([0])).labels ?? [])).toEqual([1]);
  });

  test("stay in it, or in the folder of --images, also through links", async () => {
    await mkdir(join(folder, "sub"), { recursive: true });
    const outside = /lies outside the folder .*--images FOLDER/;
    expect(await refusal("sub/p.csv", "image\n../grey.png\n", picture)).toMatch(outside);
    expect(await refusal("sub/p.csv", `image\n${join(folder, "grey.png")}\n`, picture)).toMatch(outside);
    expect(await refusal("images/p.csv", "image\nlink.png\n", picture)).toMatch(outside);
    const dataset = await open("sub/q.csv", "image\nsub/../grey.png\n", picture, { images: folder });
    expect(await valuesOf(dataset, [0])).toHaveLength(12);
  });

  test.each<[string, string, RegExp]>([
    ["a picture that is not there", "image\ngone.png\n", /"gone.png" cannot be read: .*no such file.*row 1/],
    ["an address", "image\nhttps://example.org/a.png\n", /URL, and nothing is downloaded.*row 1/],
    ["what is no picture", "image\np.png\n", /cannot be decoded.*row 1/],
    ["no path", "image\ngrey.png\n\n''\n", /row 2/],
    ["two columns of pictures", "left,right\ngrey.png,grey.png\n", /all hold pictures.*image=COLUMN/],
  ])("%s is refused", async (_, content, message) => {
    await put("p.png", "no picture");
    expect(await refusal("bad.csv", content, picture)).toMatch(message);
  });
});
