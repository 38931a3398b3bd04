import { readFile, rm, writeFile, mkdtemp } from "node:fs/promises";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { saveModel } from "../../src/onnx/index.ts";
import { targets } from "../../src/quantization/targets/table.ts";
import { reportSchema } from "../../src/report/report-data.ts";
import { tinyData, tinyModel } from "../training/tiny-network.ts";
import { type Outcome, runCli } from "./terminal.ts";

let folder: string;
const at = (name: string): string => join(folder, name);
const threads = ["--threads", "1"];

async function run(...args: string[]): Promise<Outcome> {
  const outcome = await runCli([...args, ...threads]);
  expect(outcome.stderr).not.toContain("Error");
  return outcome;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "efqat-statistics-"));
  await saveModel(tinyModel(), at("tiny.onnx"));
  await run(
    "calibrate",
    at("tiny.onnx"),
    "--data",
    tinyData.path,
    "--samples",
    "64",
    "--out",
    at("stats.json"),
  );
});
afterAll(() => rm(folder, { recursive: true }));

describe("calibrate once, quantize for many", () => {
  test.each(targets.map(({ name }) => name))(
    "%s: the file is that of calibration on the data, byte by byte",
    async (name) => {
      const common = ["quantize", at("tiny.onnx"), "--target", name];
      await run(...common, "--stats", at("stats.json"), "--out", at("from-stats.onnx"));
      await run(...common, "--data", tinyData.path, "--samples", "64", "--out", at("from-data.onnx"));
      const [stats, data] = [await readFile(at("from-stats.onnx")), await readFile(at("from-data.onnx"))];
      expect(stats.equals(data)).toBe(true);
    },
  );

  test("without data the file is verified on random samples, and that is said; with data it is judged", async () => {
    const args = ["quantize", at("tiny.onnx"), "--stats", at("stats.json"), "--out", at("out.onnx")];
    const { stdout } = await run(...args, "--wbits", "4", "--abits", "4");
    expect(stdout).toContain("verified on random samples");
    expect(stdout).not.toContain("top-1");
    expect((await run(...args, "--data", tinyData.path)).stdout).toContain("top-1");
  });

  test("merged statistics count the samples of both", async () => {
    const parts = ["64", "48"].map((samples, index) => ({ samples, path: at(`part-${index}.json`) }));
    for (const { samples, path } of parts)
      await run("calibrate", at("tiny.onnx"), "--data", tinyData.path, "--samples", samples, "--out", path);
    const json = at("merge.json");
    const files = parts.map(({ path }) => path);
    const merged = await runCli([
      "calibrate",
      "--merge",
      ...files,
      "--out",
      at("merged.json"),
      "--json",
      json,
    ]);
    expect(merged).toMatchObject({ exitCode: 0, stderr: "" });
    const report = reportSchema.parse(JSON.parse(readFileSync(json, "utf8")));
    expect(report.calibration).toMatchObject({ samples: 112, unfit: [] });
    await run("quantize", at("tiny.onnx"), "--stats", at("merged.json"), "--out", at("merged.onnx"));
    const twice = await runCli([
      "calibrate",
      "--merge",
      ...[files[0], files[0]].map(String),
      "--out",
      at("twice.json"),
    ]);
    expect(twice.stdout).toContain("which then count twice");
  });
});

describe("what is wrong with statistics is one error, and nothing is written", () => {
  const quantize = (stats: string, ...more: string[]): Promise<Outcome> =>
    runCli(["quantize", at("tiny.onnx"), "--stats", stats, "--out", at("none.onnx"), ...threads, ...more]);

  test("those of another model", async () => {
    const text = await readFile(at("stats.json"), "utf8");
    await writeFile(
      at("other.json"),
      text.replace(/"sha256":"[0-9a-f]{64}"/, `"sha256":"${"0".repeat(64)}"`),
    );
    const outcome = await quantize(at("other.json"));
    expect(outcome.exitCode).toBe(3);
    expect(outcome.stderr).toMatch(/of another model file.*Run efqat calibrate with this model/);
  });

  test("those of too few samples, unless that is asked for", async () => {
    await run(
      "calibrate",
      at("tiny.onnx"),
      "--data",
      tinyData.path,
      "--samples",
      "8",
      "--out",
      at("few.json"),
    );
    const outcome = await quantize(at("few.json"));
    expect(outcome.exitCode).toBe(3);
    expect(outcome.stderr).toMatch(/of 8 samples, and 16 are the least/);
    expect((await quantize(at("few.json"), "--samples", "8")).exitCode).toBe(0);
  });

  test("damaged and missing files", async () => {
    await writeFile(at("damaged.json"), (await readFile(at("stats.json"), "utf8")).slice(0, 5000));
    expect((await quantize(at("damaged.json"))).stderr).toMatch(/is not JSON/);
    expect((await quantize(at("absent.json"))).stderr).toMatch(/does not exist/);
  });

  test("neither data nor statistics, and files to merge without saying so", async () => {
    const none = await runCli(["quantize", at("tiny.onnx"), "--out", at("none.onnx")]);
    expect(none.stderr).toMatch(/Missing: --data/);
    const two = await runCli(["calibrate", "a.json", "b.json", "--data", "x", "--out", at("c.json")]);
    expect(two.stderr).toMatch(/"b.json" is one argument too many/);
    const one = await runCli(["calibrate", "--merge", at("stats.json"), "--out", at("c.json")]);
    expect(one.stderr).toMatch(/takes two files of statistics or more/);
  });
});
