import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { expandJobs } from "../../src/zoo/manifest/expand-jobs.ts";
import { parseManifest, readManifest } from "../../src/zoo/manifest/read-manifest.ts";
import { parseDuration, parseSize } from "../../src/zoo/manifest/units.ts";
import type { Job } from "../../src/zoo/jobs/job.ts";

const known = { quantize: new Set(["samples", "wbits", "labels"]), optimize: new Set(["epochs"]) };
const jobsOf = (yaml: string, more: { only?: string } = {}): Job[] =>
  expandJobs({ manifest: parseManifest(yaml, "zoo.yaml"), folder: "/zoo" }, { known, ...more });

describe("zoo.yaml", () => {
  test("defaults, rules and a model's own choices are merged, the last one wins", () => {
    const jobs = jobsOf(`
version: 1
defaults: {data: all.npz, options: {samples: 8, wbits: 8}, limits: {time: 2min, attempts: 2}}
rules: [{match: "a/**", options: {wbits: 4}, limits: {memory: 1.5GiB}}, {match: "*", priority: 3}]
models: [{path: m/a/one.onnx}, {path: m/two.onnx, data: own.npz, targets: [ort-cpu, qnn], options: {labels: none}}]`);
    expect(jobs.map(({ name }) => name)).toEqual(["two@ort-cpu", "two@qnn", "a/one"]);
    expect(jobs[2]).toMatchObject({
      model: "/zoo/m/a/one.onnx",
      options: { data: "/zoo/all.npz", samples: "8", wbits: "4" },
      limits: { time: 120, memory: 1.5 * 2 ** 30, attempts: 2 },
    });
    expect(jobs[0]).toMatchObject({
      priority: 3,
      options: { data: "/zoo/own.npz", labels: "none", wbits: "8" },
    });
  });

  test("--only takes those whose names match", () => {
    const yaml = "version: 1\nmodels: [{path: m/a/one.onnx}, {path: m/two.onnx}]";
    expect(jobsOf(yaml, { only: "a/*" }).map(({ name }) => name)).toEqual(["a/one"]);
    expect(jobsOf(yaml, { only: "{two,three}" }).map(({ name }) => name)).toEqual(["two"]);
  });

  test.each<[string, RegExp]>([
    ["version: 2\nmodels: [{path: a.onnx}]", /version: /],
    ["version: 1\nmodels: []", /models: /],
    ["version: 1\nmodels: [{path: a.onnx, datta: x}]", /models\.0: .*datta/],
    ["version: 1\nmodels: [{path: a.onnx, limits: {time: 5}}]", /models\.0\.limits\.time/],
    ["version: 1\nmodels: [{path: a.onnx}]\nversion: 1", /unique/],
    ["version: 1\nmodels: [", /zoo/],
    ["version: 1\nmodels: [{path: a.onnx}, {path: a.onnx}]", /Two jobs are called "a"/],
    ["version: 1\nmodels: [{path: a.onnx, options: {out: x}}]", /"out" is set by the zoo/],
    ["version: 1\nmodels: [{path: a.onnx, options: {epochs: 1}}]", /"epochs" is no option of efqat quantize/],
    [
      `version: 1\na: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b,*b,*b,*b,*b]`,
      /zoo/,
    ],
  ])("what is wrong is named: %j", (yaml, message) => {
    expect(() => jobsOf(yaml)).toThrow(message);
  });

  test("times and sizes", () => {
    expect(["90s", "1.5min", "2h"].map(parseDuration)).toEqual([90, 90, 7200]);
    expect(["800MB", "2GiB", "1.5 GB"].map(parseSize)).toEqual([8e8, 2 ** 31, 1.5e9]);
  });
});

describe("a folder as a zoo", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "efqat-zoo-"));
    for (const path of ["a", "b/b-data", "c/test_data_set_0"])
      await mkdir(join(folder, path), { recursive: true });
    const files = ["a/x.onnx", "a/x.npz", "b/b.onnx", "c/c.onnx", "d.onnx", "note.txt"];
    for (const file of files) await writeFile(join(folder, file), "");
  });
  afterAll(() => rm(folder, { recursive: true }));

  test("every model is found, with the data beside it", async () => {
    const { manifest } = await readManifest(folder);
    const data = { x: "a/x.npz", b: "b/b-data", c: "c" };
    expect(manifest.models).toEqual([
      { path: join(folder, "a/x.onnx"), name: "a/x", data: join(folder, data.x) },
      { path: join(folder, "b/b.onnx"), name: "b/b", data: join(folder, data.b) },
      { path: join(folder, "c/c.onnx"), name: "c/c", data: join(folder, data.c) },
      { path: join(folder, "d.onnx"), name: "d" },
    ]);
  });

  test("patterns in a file are models, each with the data beside it unless the file names others", async () => {
    const file = join(folder, "zoo.yaml");
    const rules = "rules: [{match: 'c/*', data: other.npz}]";
    await writeFile(
      file,
      `version: 1\n${rules}\nmodels: [{path: "{a,c}/*.onnx", priority: 2}, {path: d.onnx}]`,
    );
    const jobs = expandJobs(await readManifest(file), { known });
    expect(jobs.map(({ name, priority, options }) => [name, priority, options["data"]])).toEqual([
      ["a/x", 2, join(folder, "a/x.npz")],
      ["c/c", 2, join(folder, "other.npz")],
      ["d", 0, undefined],
    ]);
    await writeFile(file, 'version: 1\nmodels: [{path: "*/*.onnx", name: one}]');
    await expect(readManifest(file)).rejects.toThrow("one name for many models");
  });

  test("a pattern takes what it matches; nothing is an error", async () => {
    const { manifest } = await readManifest(join(folder, "{a,b}/*.onnx"));
    expect(manifest.models.map(({ name }) => name)).toEqual(["a/x", "b/b"]);
    await expect(readManifest(join(folder, "*.tflite"))).rejects.toThrow("There are no .onnx files");
    await expect(readManifest(join(folder, "gone"))).rejects.toThrow("There is no such file");
  });
});
