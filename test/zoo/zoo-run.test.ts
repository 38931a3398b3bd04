import { existsSync, readdirSync, readFileSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { resultsSchema } from "../../src/zoo/results/result-files.ts";
import { runCli, type Outcome } from "../cli/terminal.ts";
import { writeLayer, writeSmallZoo } from "./small-zoo.ts";

describe("a zoo with broken models", () => {
  let folder: string;
  let file: string;
  let first: Outcome;
  const results = () =>
    resultsSchema.parse(JSON.parse(readFileSync(join(folder, "out/results.json"), "utf8"))).jobs;
  beforeAll(async () => {
    ({ folder, file } = await writeSmallZoo());
    first = await runCli(["zoo", "run", file]);
  });
  afterAll(() => rm(folder, { recursive: true }));

  test("runs to the end; the broken ones fail with their cause, and nothing else does", () => {
    expect(first.exitCode).toBe(6);
    expect(Object.fromEntries(results().map(({ name, cause }) => [name, cause?.code ?? "done"]))).toEqual({
      works: "done",
      large: "job/memory",
      hangs: "job/time",
      truncated: "model/not-onnx",
      cyclic: "model/cycle",
    });
    expect(first.stdout).toContain("1 of 5 jobs done, 4 failed, 0 left");
    const [works] = results();
    expect(works?.metrics.sqnr).toBeGreaterThan(20);
    expect(works?.peakBytes).toBeGreaterThan(4e7);
    const names = works?.outputs.map(({ path }) => path.split("/").at(-1));
    expect(names).toEqual(["log.txt", "model.onnx", "report.html", "report.json"]);
  });

  test("the same command does nothing; one with a larger limit only what the limit ended", async () => {
    const again = await runCli(["zoo", "run", file]);
    expect(again.stderr).not.toContain("started");
    expect(again.stdout).toContain("1 of 5 jobs done, 4 failed, 0 left");
    await writeFile(file, readFileSync(file, "utf8").replace("40MB", "3GB"));
    const larger = await runCli(["zoo", "run", file]);
    expect(larger.stderr.match(/started .*/g)).toEqual(["started large"]);
    expect(larger.stdout).toContain("2 of 5 jobs done, 3 failed");
  });

  test("other content is another job; nothing temporary is left", async () => {
    await writeLayer(folder, "works", 7);
    const dry = await runCli(["zoo", "run", file, "--dry-run"]);
    expect(dry.stdout).toMatch(/^works: quantize, recipe \w+, would run, about/m);
    expect(dry.stdout).toMatch(/^cyclic: .*has a result \(failed\)|^cyclic: .*fails/m);
    const changed = await runCli(["zoo", "run", file, "--only", "works"]);
    expect(changed.stderr).toContain("started works");
    const left = readdirSync(join(folder, "out"), { recursive: true, encoding: "utf8" });
    expect(left.filter((name) => /\.tmp$|efqat-lock/.test(name))).toEqual([]);
    expect(existsSync(join(folder, "out/jobs"))).toBe(true);
  });
});

test("what is wrong with a command line is said, with exit code 2", async () => {
  const unknown = await runCli(["zoo", "rnu"]);
  expect(unknown.exitCode).toBe(2);
  expect(unknown.stderr).toMatch(/no "efqat zoo rnu".*Choose .*run/);
  const missing = await runCli(["zoo", "run"]);
  expect(missing.exitCode).toBe(2);
  expect(missing.stderr).toMatch(/Missing: ZOO/);
  expect(await runCli(["zoo", "run", "x.yaml", "--jbos", "2"])).toMatchObject({ exitCode: 2 });
  expect((await runCli(["zoo", "--help"])).stdout).toContain("efqat zoo run");
  expect((await runCli(["zoo", "run", "--help"])).stdout).toContain("--dry-run");
});
