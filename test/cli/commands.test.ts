import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { saveModel } from "../../src/onnx/index.ts";
import { failedReportSchema, type Report, reportSchema } from "../../src/report/report-data.ts";
import { tinyData, tinyModel } from "../training/tiny-network.ts";
import { type Outcome, runCli } from "./terminal.ts";

let folder: string;
let model: string;
const at = (name: string): string => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "efqat-cli-"));
  model = at("tiny.onnx");
  await saveModel(tinyModel(), model);
});
afterAll(() => rm(folder, { recursive: true }));

const data = (): string[] => ["--data", tinyData.path, "--samples", "64"];
const threads = ["--threads", "1"];

/** Runs a command with --json and returns its report, which must fit the documented schema. */
async function report(args: string[]): Promise<{ report: Report; outcome: Outcome }> {
  const json = at(`report-${args[0]}.json`);
  const outcome = await runCli([...args, ...threads, "--json", json]);
  expect(outcome.stderr).not.toContain("Error");
  expect(outcome.exitCode).toBe(0);
  return { report: reportSchema.parse(JSON.parse(readFileSync(json, "utf8"))), outcome };
}

describe("every command, with its JSON report", () => {
  test("inspect", async () => {
    const { report: inspected } = await report(["inspect", model]);
    expect(inspected.quantization?.weights).toBe(4);
    expect(inspected.model?.operators).toMatchObject({ Conv: 3, Relu: 2, Gemm: 1 });
    expect(inspected.support).toEqual([]);
  });

  test("quantize, then evaluate against the float model", async () => {
    const out = at("ptq.onnx");
    const { report: quantized } = await report(["quantize", model, ...data(), "--out", out]);
    expect(quantized.scores?.map((score) => score.model)).toEqual(["float", "ptq"]);
    expect(quantized.output?.bytes).toBe(readFileSync(out).byteLength);
    const { report: evaluated } = await report([
      ...["evaluate", out, "--data", tinyData.path, "--reference", model],
    ]);
    const ptq = quantized.scores?.[1];
    const again = evaluated.scores?.[1];
    expect(again).toMatchObject({ top1: ptq?.top1, agreement: ptq?.agreement, samples: 480 });
    expect(again?.sqnr).toBeGreaterThan(25);
  });

  test("audit: a file of ours beside its float model; too little on integers is exit code 6", async () => {
    const out = at("audited.onnx");
    await report(["quantize", model, ...data(), "--out", out]);
    const html = at("audit.html");
    const { report: audited } = await report([
      ...["audit", out, "--reference", model, "--fail-under", "0.99", "--html", html],
    ]);
    expect(audited.audit).toMatchObject({ formats: ["QDQ"], floatNodes: [], idleQuantizers: [], faults: [] });
    expect(audited.audit?.integerMacs).toBe(audited.audit?.totalMacs);
    expect(audited.latency?.runs).toBeGreaterThan(4);
    expect(audited.data?.["latency"]).toEqual({ name: "made-up inputs" });
    expect(readFileSync(html, "utf8")).toContain("Integer kernels");
    const failed = await runCli(["audit", model, "--fail-under", "0.5", "--json", at("float.json")]);
    expect(failed.exitCode).toBe(6);
    expect(failed.stderr).toContain(
      "0.00 % of the work is on integer kernels, --fail-under asks for 50.00 %",
    );
    expect(failed.stdout).toContain("nothing that it reads is quantized");
    expect(reportSchema.parse(JSON.parse(readFileSync(at("float.json"), "utf8"))).unmet).toHaveLength(1);
  });

  test("profile: a step's parts, operators and layers, and nothing written", async () => {
    const html = at("profile.html");
    const { report: profiled, outcome } = await report([
      ...["profile", model, ...data(), "--batch", "16", "--steps", "2", "--html", html],
    ]);
    const { parts = [], operators = [], layers = [], stepMs = 0 } = profiled.profile ?? {};
    const total = parts.reduce((sum, { ms }) => sum + ms, 0);
    expect(total).toBeGreaterThan(0.9 * stepMs);
    expect(total).toBeLessThan(1.1 * stepMs);
    // Three convolutions forward; the data gradient of all but the first, which reads the images, the depthwise one's as
    // a product of whole maps.
    const calls = (phase: string): number[] =>
      operators.filter((each) => each.phase === phase && /Conv/.test(each.op)).map((each) => each.calls);
    expect(calls("forward")).toEqual([3]);
    expect(calls("data gradients").reduce((sum, count) => sum + count, 0)).toBe(1);
    const convs = tinyModel().graph.nodes.filter(({ opType }) => opType === "Conv");
    for (const { name } of convs) {
      const { parts: own = {} } = layers.find(({ layer }) => layer === name) ?? {};
      expect(own["forward"]).toBeGreaterThan(0);
      expect(own["weight gradients"]).toBeGreaterThan(0);
    }
    expect(outcome.stdout).toContain("weight gradients");
    expect(readFileSync(html, "utf8")).toContain("<svg");
  });

  test("profile: the steps are those of the mode, whose backward may end early", async () => {
    const { report: profiled } = await report([
      ...["profile", model, ...data(), "--batch", "16", "--steps", "2", "--algorithms", "estimate"],
      ...["--mode", "cost", "--budget", "0"],
    ]);
    const phases = new Set(profiled.profile?.operators.map(({ phase }) => phase));
    expect(phases).toContain("forward");
    expect(phases).not.toContain("weight gradients");
    expect(phases).not.toContain("data gradients");
  });

  test("artifact, train, export: what training found is what is exported", async () => {
    const directory = at("artifact");
    const { report: built } = await report([
      ...["artifact", model, ...data(), "--out", directory, "--batch", "16", "--wbits", "4"],
      ...["--first-last", "same", "--ratio", "0.5", "--importance", "normalized-magnitude"],
    ]);
    expect(built.quantization?.layers.map(({ bits }) => bits)).toEqual([4, 4, 4, 4]);
    const { report: trained } = await report([
      ...["train", directory, "--data", tinyData.path, "--lr", "0.05", "--epochs", "2"],
    ]);
    const asBuilt = { ratio: 0.5, mode: "cwpn", importance: "normalized-magnitude" };
    expect(trained.training).toMatchObject(asBuilt);
    expect(trained.training?.samples).toBe(2 * 28 * 16);
    const [first, ...later] = trained.training?.validation ?? [];
    expect(Math.min(...later.map(({ loss }) => loss))).toBeLessThan(first?.loss ?? 0);
    const out = at("trained.onnx");
    const { report: exported } = await report([
      ...["export", directory, "--data", tinyData.path, "--out", out],
    ]);
    const layers = exported.quantization?.layers ?? [];
    const changed = layers.reduce((sum, { changedRows = 0 }) => sum + changedRows, 0);
    expect(changed).toBeGreaterThan(0);
    expect(changed).toBeLessThanOrEqual(0.5 * layers.reduce((sum, { rows }) => sum + rows, 0) + 1);
    expect(exported.verification?.agreement).toBeGreaterThan(0.99);
    expect(existsSync(out)).toBe(true);
    // Another target's file is written where its layout is part of the trained one; else what was not trained is named.
    const { report: moved } = await report([
      ...["export", directory, "--data", tinyData.path, "--target", "generic", "--out", at("generic.onnx")],
    ]);
    expect(moved.quantization).toMatchObject({ target: "generic", weights: 4 });
    expect(moved.verification?.agreement).toBeGreaterThan(0.99);
    const refused = await runCli([
      ...[
        "export",
        directory,
        "--data",
        tinyData.path,
        "--target",
        "qnn",
        "--out",
        at("qnn.onnx"),
        ...threads,
      ],
    ]);
    expect(refused.exitCode).toBe(3);
    expect(refused.stderr).toMatch(/"head" \(Gemm; "scores": its codes were not trained\)/);
    expect(refused.stderr).toContain(`efqat artifact ${model} --target qnn`);
    expect(existsSync(at("qnn.onnx"))).toBe(false);
  });

  test("optimize leaves the model, its reports and nothing else", async () => {
    const out = at("optimized/model.onnx");
    const html = at("optimized/report.html");
    const { report: optimized, outcome } = await report([
      ...["optimize", model, ...data(), "--wbits", "4", "--batch", "16", "--out", out, "--html", html],
    ]);
    expect(optimized.scores?.map((score) => score.model)).toEqual(["float", "ptq", "efqat"]);
    expect(optimized.data).toHaveProperty("held out");
    expect(outcome.stdout).toMatch(/EfQAT\s+[\d.]+ %/);
    expect(await readdir(at("optimized"))).toEqual(["model.onnx", "report.html"]);
  });

  test("--quiet prints nothing but still writes", async () => {
    const out = at("quiet.onnx");
    const outcome = await runCli(["quantize", model, ...data(), ...threads, "--out", out, "--quiet"]);
    expect(outcome).toEqual({ exitCode: 0, stdout: "", stderr: "" });
    expect(existsSync(out)).toBe(true);
  });
});

describe("Ctrl-C", () => {
  const optimize = (out: string, ...more: string[]): string[] => [
    ...["optimize", model, ...data(), ...threads, "--batch", "16", "--epochs", "2", "--lr", "0.02"],
    ...["--out", out, "--quiet", ...more],
  ];

  test("stops training with a checkpoint; --resume gives the bytes of an uninterrupted run", async () => {
    const whole = at("whole.onnx");
    expect((await runCli(optimize(whole))).exitCode).toBe(0);
    const out = at("resumed.onnx");
    const controller = new AbortController();
    const args = optimize(out).filter((arg) => arg !== "--quiet");
    const stopped = await runCli(args, {
      signal: controller.signal,
      onMessage: (text) => {
        if (text.startsWith("train ")) controller.abort();
      },
    });
    expect(stopped.exitCode).toBe(130);
    expect(stopped.stderr).toMatch(/interrupted after \d+ steps.*--resume/);
    expect(existsSync(out)).toBe(false);
    const resumed = await runCli(optimize(out, "--resume"));
    expect(resumed).toMatchObject({ exitCode: 0, stderr: "" });
    expect(readFileSync(out).equals(readFileSync(whole))).toBe(true);
    expect(existsSync(`${out}.artifact`)).toBe(false);
  });

  test("--resume without an interrupted run is refused", async () => {
    const outcome = await runCli(optimize(at("none.onnx"), "--resume"));
    expect(outcome.exitCode).toBe(2);
    expect(outcome.stderr).toContain("no interrupted run");
  });

  test("before training it just stops", async () => {
    const out = at("early.onnx");
    const outcome = await runCli(optimize(out), { signal: AbortSignal.abort() });
    expect(outcome).toMatchObject({ exitCode: 130, stdout: "" });
    expect(existsSync(out)).toBe(false);
  });
});

describe("bad input is one paragraph with the place, an exit code, and nothing written but the report of it", () => {
  const quantize = (...args: string[]): string[] => ["quantize", ...args, "--out", at("never.onnx")];

  test.each<[string, () => Promise<string[]>, number, RegExp]>([
    ["no file", async () => quantize(at("gone.onnx"), ...data()), 3, /gone\.onnx/],
    [
      "not ONNX",
      async () => {
        await writeFile(at("text.onnx"), "this is no model");
        return quantize(at("text.onnx"), ...data());
      },
      3,
      /text\.onnx/,
    ],
    [
      "truncated",
      async () => {
        await writeFile(at("cut.onnx"), readFileSync(model).subarray(0, 900));
        return quantize(at("cut.onnx"), ...data());
      },
      3,
      /cut\.onnx/,
    ],
    [
      "a cyclic graph",
      async () => {
        const cyclic = tinyModel();
        const relu = cyclic.graph.nodes.find(({ outputs }) => outputs[0] === "first");
        if (relu !== undefined) relu.inputs[0] = "sum";
        await saveModel(cyclic, at("cyclic.onnx"));
        return quantize(at("cyclic.onnx"), ...data());
      },
      3,
      /cycl|order/i,
    ],
    [
      "NaN in the weights",
      async () => {
        const model = tinyModel();
        const bytes = new Uint8Array(model.graph.initializers.get("stem.weight")?.bytes ?? []);
        new DataView(bytes.buffer).setFloat32(8, NaN, true);
        model.graph.initializers.set("stem.weight", { dtype: "float32", dims: [8, 1, 3, 3], bytes });
        await saveModel(model, at("nan.onnx"));
        return quantize(at("nan.onnx"), ...data());
      },
      3,
      /stem\.weight/,
    ],
    [
      "missing external data",
      async () => {
        await saveModel(tinyModel(), at("split.onnx"), { externalData: "always", threshold: 1 });
        await rm(at("split.onnx.data"));
        return quantize(at("split.onnx"), ...data());
      },
      3,
      /split\.onnx\.data/,
    ],
    ["no data", async () => quantize(model, "--data", at("gone.npz")), 3, /gone\.npz/],
    [
      "empty data",
      async () => {
        await writeFile(at("empty.mjs"), "export default { length: 0, read: () => ({ inputs: {} }) };");
        return quantize(model, "--data", at("empty.mjs"));
      },
      3,
      /no samples.*empty\.mjs/,
    ],
    [
      "labels out of range",
      async () => {
        const text = `export default { length: 2, read: (indices) => ({
          inputs: { x: { data: new Float32Array(64 * indices.length), dims: [indices.length, 1, 8, 8] } },
          labels: indices.map((index) => index + 2) }) };`;
        await writeFile(at("labels.mjs"), text);
        return quantize(model, "--data", at("labels.mjs"));
      },
      3,
      /label of sample 1 is 3.*3 classes/,
    ],
    [
      "NaN in the data",
      async () => {
        const text = `export default { length: 1, read: () => ({
          inputs: { x: { data: new Float32Array(64).fill(NaN), dims: [1, 1, 8, 8] } } }) };`;
        await writeFile(at("nan.mjs"), text);
        return quantize(model, "--data", at("nan.mjs"));
      },
      3,
      /NaN/,
    ],
    ["a missing provider", async () => [...quantize(model, ...data()), "--provider", "abacus"], 4, /abacus/],
    [
      "the input as output",
      async () => ["quantize", model, ...data(), "--out", model],
      2,
      /overwrite the input model/,
    ],
    ["a folder as output", async () => ["quantize", model, ...data(), "--out", folder], 2, /names a folder/],
  ])("%s", async (_what, prepare, exitCode, message) => {
    const args = [...(await prepare()), ...threads];
    const before = readFileSync(model);
    const outcome = await runCli([...args, "--json", at("never.json")]);
    const paragraph = outcome.stderr.trim().split("\n").at(-1) ?? "";
    expect(paragraph).toMatch(/^Error \[/);
    expect(paragraph).toMatch(message);
    expect(outcome.stderr).not.toMatch(/^\s+at /m);
    expect(outcome).toMatchObject({ exitCode, stdout: "" });
    expect(existsSync(at("never.onnx"))).toBe(false);
    const { error } = failedReportSchema.parse(JSON.parse(readFileSync(at("never.json"), "utf8")));
    expect(error).toMatchObject({ exitCode });
    expect(paragraph).toContain(error.code);
    expect(readFileSync(model).equals(before)).toBe(true);
    expect((await readdir(folder)).filter((name) => name.includes(".tmp"))).toEqual([]);
  });

  test("--stack shows where", async () => {
    const { stderr } = await runCli(["inspect", at("gone.onnx"), "--stack"]);
    expect(stderr).toMatch(/^\s+at /m);
  });
});
