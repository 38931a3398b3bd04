import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Emitter } from "../../src/ir/emit.ts";
import type { Model } from "../../src/ir/model.ts";
import { loadModel, saveModel } from "../../src/onnx/index.ts";
import { type Report, reportSchema } from "../../src/report/report-data.ts";
import { withSession } from "../../src/runtime/open-model.ts";
import { floats, toNumbers } from "../../src/tensor/tensor.ts";
import { runCli } from "../cli/terminal.ts";
import { buildModel } from "../support/build-model.ts";
import { emitConv } from "../support/quantize-case.ts";
import { randomTensor } from "../support/random-tensor.ts";
import { writeNpz } from "../support/write-numpy.ts";
import { tinyData, tinyModel } from "../training/tiny-network.ts";

let folder: string;
const at = (name: string): string => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "efqat-results-"));
  await writeNpz(at("images.npz"), { x: randomTensor([64, 3, 8, 8], 5) });
});
afterAll(() => rm(folder, { recursive: true }));

interface Finished {
  report: Report;
  stdout: string;
  model: Model;
}

/** Runs a command that writes a model, which must go well. */
async function run(command: "quantize" | "optimize", model: Model, ...more: string[]): Promise<Finished> {
  const [source, out, json] = [at("m.onnx"), at("out.onnx"), at("r.json")];
  await saveModel(model, source);
  const data = more.includes("--data") ? [] : ["--data", at("images.npz")];
  const { stdout, stderr, exitCode } = await runCli([
    ...[command, source, ...data, "--samples", "32", "--threads", "1", "--out", out, "--json", json],
    ...(command === "optimize" ? ["--algorithms", "estimate"] : []),
    ...more,
  ]);
  expect(stderr).not.toContain("Error");
  expect(exitCode).toBe(0);
  const report = reportSchema.parse(JSON.parse(readFileSync(json, "utf8")));
  return { report, stdout, model: await loadModel(out) };
}

function features(emit: Emitter): string {
  const first = emit.op("Relu", [emitConv(emit, "x", [8, 3, 3, 3])]);
  return emit.op("Flatten", [emit.op("GlobalAveragePool", [first])], { axis: 1 });
}

/** A network that ends in a vector of length 1, of a width that a classifier might have, too. */
function embedding(): Model {
  return buildModel({
    inputs: { x: ["N", 3, 8, 8] },
    outputs: ["y"],
    build: (emit) => {
      const weight = emit.constant(randomTensor([8, 10], 3), "w");
      const vector = emit.op("Gemm", [features(emit), weight], {});
      const norm = emit.op("ReduceL2", [vector], { axes: [1], keepdims: 1 });
      emit.node("Div", [vector, norm], { outputs: ["y"] });
    },
  });
}

/** Segmentation: a mask of integers first, then (or not) the scores that it is chosen by. */
function segmentation(outputs: readonly string[]): Model {
  return buildModel({
    inputs: { x: ["N", 3, 8, 8] },
    outputs,
    build: (emit) => {
      const first = emit.op("Relu", [emitConv(emit, "x", [8, 3, 3, 3])]);
      emitConv(emit, first, [4, 8, 1, 1], { output: "scores", attributes: {} });
      const best = emit.op("ArgMax", ["scores"], { axis: 1, keepdims: 0 });
      emit.node("Cast", [best], { outputs: ["mask"], attributes: { to: 2 } });
    },
  });
}

describe("outputs are judged as what they are", () => {
  test("a normalised vector is a feature: judged by cosine and SQNR, not by classes", async () => {
    const { report } = await run("quantize", embedding());
    expect(report.judging).toMatchObject({ output: "y", kind: "features", certain: true });
    const [, ptq] = report.scores ?? [];
    expect(ptq?.agreement).toBeUndefined();
    expect(ptq?.cosine).toBeGreaterThan(0.999);
    expect(ptq?.sqnr).toBeGreaterThan(25);
    expect(ptq?.intervals?.sqnr?.[0]).toBeLessThan(ptq?.sqnr ?? 0);
    expect(report.verification?.agreement).toBeUndefined();
  });

  test("a feature is trained by squared error, and compared by its noise", async () => {
    const args = ["--batch", "8", "--wbits", "4", "--val", "16", "--lr", "0.01"];
    const { report } = await run("optimize", embedding(), ...args);
    expect(report.training).toMatchObject({ loss: "mse", heldOut: 16 });
    if (report.output?.model === "efqat") expect(report.comparison?.measure).toBe("noise");
  });

  test("of a mask and its scores the scores are judged, by their classes at every place; the mask by equality", async () => {
    const { report } = await run("quantize", segmentation(["mask", "scores"]));
    expect(report.judging).toMatchObject({ output: "scores", kind: "logits", certain: true });
    const [, ptq] = report.scores ?? [];
    const [mask] = ptq?.otherOutputs ?? [];
    expect(mask).toMatchObject({ output: "mask", kind: "integers" });
    expect(mask?.equal).toBeGreaterThan(0.95);
    expect(mask?.equal).toBeCloseTo(ptq?.agreement ?? 0, 6);
  });

  test("where a mask is all there is, it is judged by equality; --output asks for it", async () => {
    const alone = await run("quantize", segmentation(["mask"]));
    const [, ptq] = alone.report.scores ?? [];
    expect(alone.report.judging).toMatchObject({ output: "mask", kind: "integers" });
    expect(ptq?.equal).toBeGreaterThan(0.95);
    expect(ptq?.sqnr).toBeUndefined();
    const asked = await run("quantize", segmentation(["mask", "scores"]), "--output", "mask");
    expect(asked.report.scores?.[1]?.equal).toBe(ptq?.equal);
  });

  test("--output that the model does not have names those it has", async () => {
    await saveModel(segmentation(["mask", "scores"]), at("s.onnx"));
    const { exitCode, stderr } = await runCli([
      ...["quantize", at("s.onnx"), "--data", at("images.npz"), "--output", "logits", "--out", at("no.onnx")],
    ]);
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/no output "logits".*--output.*Choose one of: mask, scores/s);
  });

  test("a constant output stays, and is equal", async () => {
    const model = buildModel({
      inputs: { x: ["N", 3, 8, 8] },
      outputs: ["anchors", "y"],
      build: (emit) => {
        emit.node("Identity", [emit.constant(floats([1, 2, 3]), "a")], { outputs: ["anchors"] });
        emitConv(emit, "x", [8, 3, 3, 3], { output: "y" });
      },
    });
    const { report, model: written } = await run("quantize", model);
    expect(report.judging).toMatchObject({ output: "y", kind: "map" });
    expect(report.scores?.[1]?.otherOutputs).toMatchObject([
      { output: "anchors", kind: "constant", equal: 1 },
    ]);
    expect(written.graph.outputs.map(({ name }) => name)).toEqual(["anchors", "y"]);
    const outputs = await withSession(written, { threads: 1 }, (session) =>
      session.run({ x: randomTensor([1, 3, 8, 8], 1) }),
    );
    expect(outputs["anchors"] && toNumbers(outputs["anchors"])).toEqual([1, 2, 3]);
  });
});

describe("what samples were used for, and what training was worth", () => {
  const tiny = ["--data", tinyData.path, "--batch", "16", "--wbits", "4", "--first-last", "same"];

  test("where training changes nothing, the post-training model is written and said to be", async () => {
    const { report, model, stdout } = await run(
      "optimize",
      tinyModel(),
      ...tiny,
      "--lr",
      "0",
      "--lr-scale",
      "0",
    );
    expect(report.output?.model).toBe("ptq");
    expect(report.training?.bestStep).toBe(0);
    expect(report.scores?.map((score) => score.model)).toEqual(["float", "ptq"]);
    expect(report.postTraining).toBeUndefined();
    expect(report.warnings.join("\n")).toMatch(/Training changed nothing.*post-training quantization/);
    expect(stdout).toMatch(/Wrote .*, the model of post-training quantization\./);
    const { model: quantized } = await run("quantize", tinyModel(), ...tiny);
    for (const [name, tensor] of quantized.graph.initializers)
      expect(Buffer.from(model.graph.initializers.get(name)?.bytes ?? []).equals(tensor.bytes), name).toBe(
        true,
      );
  });

  test("samples that chose the state are warned of; the trained model is compared sample by sample", async () => {
    const { report, stdout } = await run("optimize", tinyModel(), ...tiny, "--lr", "0.05", "--epochs", "2");
    expect(report.output?.model).toBe("efqat");
    expect(report.scores?.map(({ usedFor }) => usedFor)).toEqual([
      [],
      ["calibration"],
      ["calibration", "choice of the state"],
    ]);
    expect(report.judging).toMatchObject({ use: "held out", samples: 24, kind: "logits" });
    expect(report.warnings.join("\n")).toContain("chose the trained state");
    expect(report.comparison).toMatchObject({ measure: "loss", samples: 24, better: true });
    expect(report.comparison?.interval?.[0]).toBeGreaterThan(0);
    expect(stdout).toContain("on 24 held out samples");
    expect(report.latency?.floatQuartiles?.[0]).toBeLessThanOrEqual(report.latency?.floatMs ?? 0);
    // The post-training model was not written, and is told of beside: nearly the same file, timed in turn with it.
    expect(report.postTraining?.bytes).toBeGreaterThan(0.9 * (report.output?.bytes ?? Infinity));
    expect(report.postTraining?.bytes).toBeLessThan(1.1 * (report.output?.bytes ?? 0));
    expect(report.postTraining?.latencyMs).toBeGreaterThan(0);
    expect(stdout).toMatch(/post-training quantization .*B +[\d.]+ ms/);
    const [, ptq] = report.scores ?? [];
    const [low = 1, high = 0] = ptq?.intervals?.top1 ?? [];
    expect(low).toBeLessThan(ptq?.top1 ?? 0);
    expect(high).toBeGreaterThan(ptq?.top1 ?? 1);
  });
});
