import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { describeData, optimize, quantize } from "../../src/index.ts";
import type { Report } from "../../src/report/report-data.ts";
import { runCli } from "../cli/terminal.ts";
import { catchUserError } from "../support/catch-error.ts";
import { kinds, optionsOf, writeDataKinds, writeKindModels } from "../support/data-kinds.ts";

/** Every kind of data that is read, on its way through the commands. */
let folder: string;
const at = (name: string): string => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "efqat-kinds-"));
  await writeDataKinds(folder);
  await writeKindModels(folder);
});
afterAll(() => rm(folder, { recursive: true }));

describe("efqat data shows", () => {
  const show = async (...args: string[]): Promise<{ text: string; report: Report }> => {
    const { stdout, stderr, exitCode } = await runCli(["data", ...args, "--json", at("data.json")]);
    expect([exitCode, stderr]).toEqual([0, expect.any(String)]);
    return { text: stdout, report: JSON.parse(await readFile(at("data.json"), "utf8")) as Report };
  };

  test("columns of a table, with their ranges and classes", async () => {
    const { text, report } = await show(at("numbers.csv"));
    expect(text).toMatch(/CSV: 24 samples\./);
    expect(text).toMatch(/c +float32 +\[1\] +0 +0\.958/);
    expect(report.contents?.classes).toEqual([
      { label: 0, samples: 12 },
      { label: 1, samples: 12 },
    ]);
  });

  test("what feeds a model, as it is fed with it", async () => {
    const { text, report } = await show(at("numbers.csv"), at("linear.onnx"), "--samples", "6");
    expect(text).toContain("x is fed by a, b, c");
    expect(report.contents).toMatchObject({
      samples: 24,
      looked: 6,
      inputs: [{ name: "x", shapes: ["[1, 3]"] }],
    });
  });

  test("pictures on a sheet, with the names of their classes", async () => {
    const { text } = await show(at("images.parquet"), "--sheet", at("sheet.png"));
    expect(text).toContain("0 (cat): 12, 1 (dog): 12");
    const { width, height, format } = await sharp(at("sheet.png")).metadata();
    expect([width, height, format]).toEqual([804, 304, "png"]);
    const data = await sharp(at("sheet.png")).raw().toBuffer();
    // The middle of the second picture: the fixture's red, green and blue, stretched from 0..230 to 0..255.
    const pixel = (50 * 804 + 150) * 3;
    expect(Array.from(data.subarray(pixel, pixel + 3))).toEqual([11, 222, 67]);
  });

  test.each([
    ["fixtures/fashion-mnist", "IDX: ", "[1, 3, 28, 28]"],
    ["images", "image folder: 24", "[1, 3, 8, 8]"],
    ["images.jsonl", "JSON lines: 24", "[1, 3, 8, 8]"],
    ["x.npz", "arrays: 24", "[1, 3]"],
    ["x.npy", "arrays: 24", "array"],
    ["words", "WAV: 24 samples", "[1, 1, 79]"],
    ["words", "0 (high): 3, 1 (low): 2", "8000 samples a second"],
    ["shards", "Parquet: 48", "float32"],
  ])("%s", async (path, format, shape) => {
    const { text } = await show(path.startsWith("fixtures") ? path : at(path), "--samples", "5");
    expect(text).toContain(format);
    expect(text).toContain(shape);
  });

  test("what needs a model", async () => {
    const { stderr, exitCode } = await runCli(["data", at("x.mjs")]);
    expect([exitCode, stderr]).toEqual([3, expect.stringContaining("efqat data PATH MODEL")]);
  });
});

test.each(kinds)("%s goes through quantize", async (...kind) => {
  const { scores } = await quantize(optionsOf(kind, folder));
  expect(scores?.map(({ model }) => model)).toEqual(["float", "ptq"]);
  expect(scores?.[0]?.samples).toBeGreaterThanOrEqual(24);
  const { labels } = (kind[3] ?? {}) as { labels?: string };
  expect(scores?.[0]?.top1 !== undefined).toBe(labels !== "none");
});

test("the library describes data, too", async () => {
  const { contents } = await describeData({ path: at("numbers.csv"), model: at("linear.onnx"), samples: 6 });
  expect(contents).toMatchObject({ samples: 24, looked: 6, inputs: [{ name: "x", shapes: ["[1, 3]"] }] });
  const alone = await describeData({ path: at("images"), resize: [8, 8] });
  expect(alone.contents?.inputs).toMatchObject([{ name: "image" }]);
  const wrong = await catchUserError(() => describeData({ path: at("gone.csv") }));
  expect(wrong.message).toMatch(/no such file/);
  const none = await catchUserError(() => describeData({} as never));
  expect(none.message).toMatch(/Missing: PATH/);
});

/** The others go through optimize in scripts/check-data-kinds.ts. */
const trained = [
  "pictures with the preprocessing of a model",
  "pairs of texts",
  "sounds by class",
  "a folder of .npy files by class",
];

test.each(kinds.filter(([name]) => trained.includes(name)))("%s goes through optimize", async (...kind) => {
  const options = { epochs: 1, batch: 8, val: 8, algorithms: "estimate" } as const;
  const { scores, training } = await optimize({ ...optionsOf(kind, folder), ...options });
  expect(training?.steps).toBe(2);
  expect(scores?.[0]).toMatchObject({ model: "float", samples: 8 });
});
