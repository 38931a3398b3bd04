import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sqlite from "node-sqlite3-wasm";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { JobResult } from "../../src/zoo/jobs/job.ts";
import { diffResults } from "../../src/zoo/results/diff-results.ts";
import { renderCsv } from "../../src/zoo/results/render-csv.ts";
import { renderIndex } from "../../src/zoo/results/render-index.ts";
import { mergeResults } from "../../src/zoo/results/merge-results.ts";
import { readResults } from "../../src/zoo/results/read-results.ts";
import { writeResults } from "../../src/zoo/results/write-results.ts";
import { hashFile } from "../../src/zoo/jobs/content-hash.ts";
import { runCli } from "../cli/terminal.ts";
import { readSettings } from "../../src/zoo/jobs/read-settings.ts";
import { makeFailure, makeResult } from "./make-result.ts";

const hostile = makeResult('=cmd|"x",\u202e<script>alert(1)</script>');

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "efqat-results-"));
});
afterAll(() => rm(folder, { recursive: true }));

describe("tables of results", () => {
  test("CSV quotes, and marks what would be a formula", () => {
    const [head = "", row = ""] = renderCsv([hostile]).split("\r\n");
    expect(head).toMatch(/^name,status,cause,/);
    expect(row).toMatch(/^"'=cmd\|""x"",\\u202e<script>/);
  });

  test("names in the page are text", () => {
    const page = renderIndex([hostile, makeFailure("b", "job/time", "late")]);
    expect(page).not.toContain("<script>alert");
    expect(page).toContain("1 × job/time");
  });

  test("SQLite answers questions", async () => {
    await writeResults(folder, [makeResult("a"), makeFailure("b", "job/time", "late"), makeResult("c")]);
    const database = new sqlite.Database(join(folder, "results.sqlite"), { readOnly: true });
    expect(database.all("SELECT status, count(*) AS n FROM jobs GROUP BY status ORDER BY 1")).toEqual([
      { status: "done", n: 2 },
      { status: "failed", n: 1 },
    ]);
    expect(database.get("SELECT job, bytes FROM outputs WHERE job = 'c'")).toEqual({ job: "c", bytes: 10 });
    database.close();
    expect((await readResults(folder)).map(({ name }) => name)).toEqual(["a", "b", "c"]);
  });
});

describe("two runs", () => {
  const base = makeResult("a");
  const other = (metrics: Partial<JobResult["metrics"]>, more: Partial<JobResult> = {}): JobResult => ({
    ...base,
    ...more,
    metrics: { ...base.metrics, ...metrics },
  });

  test("a run does not differ from itself", () => {
    const run = [base, makeFailure("b", "job/time", "late")];
    expect(diffResults(run, run)).toEqual([]);
  });

  test.each<[string, JobResult, string, string]>([
    ["accuracy beyond its interval", other({ accuracy: 0.85 }), "accuracy", "worse"],
    ["better SQNR", other({ sqnr: 33 }), "sqnr", "better"],
    ["latency", other({ latencyMs: 1.4, latencyQuartiles: [1.3, 1.5] }), "latency", "worse"],
    ["size", other({ bytes: 1.2e6 }), "size", "worse"],
    ["integer share", other({ integerShare: 0.5 }), "integer share", "worse"],
    ["a failure", makeFailure("a", "model/cycle", "ring"), "status", "worse"],
    ["an option", other({}, { options: { samples: "32" } }), "options", "other"],
  ])("%s", (_, after, figure, verdict) => {
    const [first] = diffResults([base], [after]);
    expect(first).toMatchObject({ job: "a", figure, verdict });
  });

  test("a default that became another is named", () => {
    const settings = readSettings({
      model: "/zoo/a.onnx",
      batch: 8,
      data: { path: "/zoo/a.npz", labels: "none" },
      quantization: { calibration: "minmax", excludeOps: [] },
    });
    expect(settings).toEqual({
      batch: "8",
      "data.labels": "none",
      "quantization.calibration": "minmax",
      "quantization.excludeOps": "[]",
    });
    const after = other({}, { settings: { ...settings, "quantization.calibration": "auto" } });
    expect(diffResults([other({}, { settings })], [after]).map(({ what }) => what)).toEqual([
      "quantization.calibration: minmax -> auto",
    ]);
  });

  test.each<[string, Partial<JobResult["metrics"]>]>([
    ["accuracy within both intervals", { accuracy: 0.88 }],
    ["timings whose middle halves meet", { latencyMs: 1.3, latencyQuartiles: [1, 1.6] }],
    ["sizes half a percent apart", { bytes: 1.004e6 }],
  ])("noise is none: %s", (_, metrics) => {
    expect(diffResults([base], [other(metrics)])).toEqual([]);
  });

  test("the command line names what became worse, and ends with 6", async () => {
    const [before, after] = [join(folder, "before"), join(folder, "after")];
    await writeResults(before, [base, makeResult("gone")]);
    await writeResults(after, [other({ accuracy: 0.8 }, { tool: { version: "0.2.0", runtime: "1.30.0" } })]);
    expect(await runCli(["zoo", "diff", before, before])).toMatchObject({
      exitCode: 0,
      stdout: "0 worse, 0 better, 0 other\n",
    });
    const changed = await runCli(["zoo", "diff", before, after]);
    expect(changed.exitCode).toBe(6);
    expect(changed.stdout).toMatch(/worse: a: accuracy: 90.00 % -> 80.00 %/);
    expect(changed.stdout).toMatch(/worse: gone: job: is missing/);
    expect(changed.stdout).toMatch(/other: a: options: efqat: 0.1.0 -> 0.2.0/);
    expect((await runCli(["zoo", "diff", before])).exitCode).toBe(2);
  });
});

describe("shards are put together", () => {
  async function writeShard(name: string, result: JobResult, text = name): Promise<string> {
    const shard = join(folder, "shards", name);
    const report = join(shard, result.folder, "report.html");
    await mkdir(join(shard, result.folder), { recursive: true });
    await writeFile(report, text);
    const outputs = [
      { path: `${result.folder}/report.html`, bytes: text.length, sha256: await hashFile(report) },
    ];
    const whole = { ...result, outputs };
    await writeFile(join(shard, result.folder, "result.json"), JSON.stringify(whole));
    await writeResults(shard, [whole]);
    return shard;
  }

  test("with their files; of a job that two have, the one that is done wins", async () => {
    await writeShard("1", makeResult("a"));
    await writeShard("2", makeFailure("b", "job/killed", "gone"));
    await writeShard("3", makeResult("b", { folder: "jobs/b2" }), "better");
    const merged = await runCli(["zoo", "merge", join(folder, "shards/*"), "--out", join(folder, "all")]);
    expect(merged.stdout).toContain("3 folders: 2 jobs, 2 done, 0 failed");
    expect(await readFile(join(folder, "all/jobs/b2/report.html"), "utf8")).toBe("better");
  });

  test("files that were changed, and paths that lead out, are refused", async () => {
    const shard = await writeShard("bad", makeResult("c"));
    await writeFile(join(shard, "jobs/c/report.html"), "changed");
    await expect(mergeResults([shard], join(folder, "x"))).rejects.toThrow(
      "not the one that the results tell of",
    );
    const outside = makeResult("d", { outputs: [{ path: "../../etc/passwd", bytes: 1, sha256: "00" }] });
    await writeResults(shard, [outside]);
    await expect(mergeResults([shard], join(folder, "x"))).rejects.toThrow("leads out of the folder");
  });
});
