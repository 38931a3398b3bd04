import { readFileSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { graphAttribute } from "../../src/ir/attributes.ts";
import { Emitter } from "../../src/ir/emit.ts";
import { createGraph, createValue } from "../../src/ir/graph.ts";
import type { Model } from "../../src/ir/model.ts";
import { loadModel, saveModel } from "../../src/onnx/index.ts";
import { type Report, reportSchema } from "../../src/report/report-data.ts";
import { withSession } from "../../src/runtime/open-model.ts";
import { dataTypes } from "../../src/tensor/data-type.ts";
import { floats, ints, type Tensor, toNumbers } from "../../src/tensor/tensor.ts";
import { runCli } from "../cli/terminal.ts";
import { buildModel } from "../support/build-model.ts";
import { emitConv } from "../support/quantize-case.ts";
import { randomTensor } from "../support/random-tensor.ts";
import { writeNpz } from "../support/write-numpy.ts";

let folder: string;
const at = (name: string): string => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "efqat-inputs-"));
});
afterAll(() => rm(folder, { recursive: true }));

interface Written {
  report: Report;
  model: Model;
  path: string;
}

/** Quantizes a model with arrays of 12 samples on the command line; the result must be written. */
async function quantize(
  model: Model,
  arrays: Readonly<Record<string, Tensor>>,
  ...more: string[]
): Promise<Written> {
  const [source, data, path, json] = ["m.onnx", "d.npz", "out.onnx", "r.json"].map(at) as [
    string,
    string,
    string,
    string,
  ];
  await saveModel(model, source);
  await writeNpz(data, arrays);
  const { stderr, exitCode } = await runCli([
    ...["quantize", source, "--data", data, "--labels", "none", "--samples", "12", "--threads", "1"],
    ...["--out", path, "--json", json, ...more],
  ]);
  expect(stderr).not.toContain("Error");
  expect(exitCode).toBe(0);
  const report = reportSchema.parse(JSON.parse(readFileSync(json, "utf8")));
  return { report, model: await loadModel(path), path };
}

const sqnrOf = ({ scores }: Report): number => scores?.find(({ model }) => model === "ptq")?.sqnr ?? NaN;
const shapesOf = ({ graph }: Model): Record<string, unknown> =>
  Object.fromEntries(
    [...graph.inputs, ...graph.outputs].map(({ name, type }) => [
      name,
      type?.kind === "tensor" ? type.shape : undefined,
    ]),
  );

/** Dimensions that a source declares for its outputs. */
const declared = (model: Model, shapes: Readonly<Record<string, (number | string)[]>>): Model => {
  for (const output of model.graph.outputs)
    output.type = { kind: "tensor", dtype: "float32", shape: shapes[output.name] };
  return model;
};

describe("open dimensions", () => {
  const network = (): Model =>
    buildModel({
      inputs: { x: ["batch", 3, "height", "width"] },
      outputs: ["map", "y"],
      build(emit) {
        const map = emitConv(emit, emit.op("Relu", [emitConv(emit, "x", [8, 3, 3, 3])]), [4, 8, 3, 3], {
          attributes: { pads: [1, 1, 1, 1], strides: [2, 2] },
          output: "map",
        });
        const flat = emit.op("Flatten", [emit.op("GlobalAveragePool", [map])]);
        emit.op("Gemm", [flat, emit.constant(randomTensor([4, 5], 3))], {}, { outputs: ["y"] });
      },
    });

  test("stay as the source has them, and the result runs at sizes that no sample had", async () => {
    const source = declared(network(), { map: ["batch", 4, "rows", "columns"], y: ["batch", 5] });
    const { report, model, path } = await quantize(source, { x: randomTensor([12, 3, 16, 16], 5) });
    expect(shapesOf(model)).toEqual({
      x: ["batch", 3, "height", "width"],
      map: ["batch", 4, "rows", "columns"],
      y: ["batch", 5],
    });
    expect(sqnrOf(report)).toBeGreaterThan(30);
    const x = randomTensor([2, 3, 24, 40], 6);
    const [expected, found] = await Promise.all(
      [source, path].map((each) => withSession(each, { threads: 1 }, (session) => session.run({ x }))),
    );
    expect(found?.["map"]?.dims).toEqual(expected?.["map"]?.dims);
  });

  test("inspect needs no data, and --input-shape fixes what is asked for", async () => {
    await saveModel(network(), at("open.onnx"));
    const { stdout, exitCode } = await runCli(["inspect", at("open.onnx")]);
    expect([exitCode, stdout]).toEqual([0, expect.stringContaining("3 weights") as string]);
    const arrays = { x: randomTensor([12, 3, 16, 16], 5) };
    const { model } = await quantize(network(), arrays, "--input-shape", "x=N,3,16,-1");
    expect(shapesOf(model)["x"]).toEqual(["batch", 3, 16, "width"]);
    const wrong = await runCli(["inspect", at("open.onnx"), "--input-shape", "x=1,4,16,16"]);
    expect(wrong).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("contradicts") as string });
  });
});

describe("arrays as samples x the model's full input", () => {
  test("an image without a batch", async () => {
    const model = buildModel({
      inputs: { image: [3, 8, 8] },
      outputs: ["y"],
      build(emit) {
        const axes = emit.constant(ints([0]));
        const conv = emitConv(emit, emit.op("Unsqueeze", ["image", axes]), [4, 3, 3, 3]);
        emit.op("Squeeze", [conv, axes], {}, { outputs: ["y"] });
      },
    });
    const { report, model: written } = await quantize(model, { image: randomTensor([12, 3, 8, 8], 5) });
    expect(report.scores?.map(({ samples }) => samples)).toEqual([12, 12]);
    expect(sqnrOf(report)).toBeGreaterThan(30);
    expect(shapesOf(written)).toEqual({ image: [3, 8, 8], y: [4, 8, 8] });
  });

  /** A streaming model: `state` has its batch second, `sr` is a number. */
  const streaming = (batch: number | string): Model =>
    buildModel({
      inputs: { x: [batch, 16], state: [2, batch, 8], sr: ["int64"] },
      outputs: ["y", "next"],
      build(emit) {
        const first = emit.op("Gather", ["state", emit.constant(ints([0], []))]);
        const rate = emit.op("Cast", ["sr"], { to: dataTypes.float32.code });
        const joined = emit.op("Concat", [emit.op("Div", ["x", rate]), first], { axis: 1 });
        emit.op("Gemm", [joined, emit.constant(randomTensor([24, 4], 3))], {}, { outputs: ["y"] });
        emit.op("Relu", ["state"], {}, { outputs: ["next"] });
      },
    });
  const x = randomTensor([12, 16], 5);
  const rates = ints(Array<number>(12).fill(2));

  test("a state [2, 1, 8] and a number, of a model of one sample", async () => {
    const state = randomTensor([12, 2, 1, 8], 6);
    const { report } = await quantize(streaming(1), { x, state, sr: rates });
    expect(report.latency?.batch).toBe(1);
    expect(sqnrOf(report)).toBeGreaterThan(30);
  });

  test("a batch that is the second dimension, by its name; the number by --set", async () => {
    const state = randomTensor([12, 2, 8], 6);
    const { report, model } = await quantize(streaming("batch"), { x, state }, "--set", "sr=2");
    expect(sqnrOf(report)).toBeGreaterThan(30);
    expect(shapesOf(model)).toMatchObject({ x: ["batch", 16], state: [2, "batch", 8], sr: [] });
    const whole = { x, state: { ...state, dims: [12, 2, 1, 8] }, sr: rates };
    const { report: same } = await quantize(streaming("batch"), whole);
    expect(sqnrOf(same)).toBe(sqnrOf(report));
  });

  test("a batch that no name tells, by --batch-axis", async () => {
    const model = streaming("k");
    (model.graph.inputs[0]?.type as { shape: unknown[] }).shape = ["m", 16];
    const arrays = { x, state: randomTensor([12, 2, 8], 6), sr: rates };
    const { report } = await quantize(model, arrays, "--batch-axis", "state=1", "--batch-axis", "x=0");
    expect(sqnrOf(report)).toBeGreaterThan(30);
    const wrong = await runCli([
      ...["quantize", at("m.onnx"), "--data", at("d.npz"), "--batch-axis", "none=1", "--out", at("o.onnx")],
    ]);
    expect(wrong).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('no input "none"') as string,
    });
  });
});

test("a Reshape that holds a batch of 1 is named, and samples are fed one at a time", async () => {
  const model = buildModel({
    inputs: { x: ["n", 3, 8, 8] },
    outputs: ["y"],
    build(emit) {
      const conv = emitConv(emit, "x", [4, 3, 3, 3]);
      const flat = emit.op("Reshape", [conv, emit.constant(ints([1, 256]))], {}, { name: "view" });
      emit.op("Gemm", [flat, emit.constant(randomTensor([256, 5], 3))], {}, { outputs: ["y"] });
    },
  });
  const arrays = { x: randomTensor([12, 3, 8, 8], 5) };
  const { report, model: written } = await quantize(model, arrays, "--batch", "4");
  expect(report.warnings).toContainEqual(expect.stringMatching(/one sample at a time.*Reshape "view"/));
  expect(report.scores?.map(({ samples }) => samples)).toEqual([12, 12]);
  expect([report.verification?.samples, report.latency?.batch]).toEqual([12, 1]);
  expect(shapesOf(written)).toEqual({ x: [1, 3, 8, 8], y: [1, 5] });
  expect(sqnrOf(report)).toBeGreaterThan(30);
});

test("a fixed batch of one, with a bias of shape [1, N] at the end", async () => {
  const model = buildModel({
    inputs: { x: [1, 1, 8, 8] },
    outputs: ["y"],
    build(emit) {
      const conv = emit.op("Relu", [emitConv(emit, "x", [4, 1, 3, 3])]);
      const flat = emit.op("Reshape", [conv, emit.constant(ints([1, 256]))]);
      const product = emit.op("MatMul", [flat, emit.constant(randomTensor([256, 3], 3), "w")]);
      emit.op("Add", [product, emit.constant(floats([1, -2, 3], [1, 3]), "b")], {}, { outputs: ["y"] });
    },
  });
  const { report } = await quantize(model, { x: randomTensor([12, 1, 8, 8], 5) });
  expect(report.quantization).toMatchObject({ weights: 2, float: [] });
  expect(sqnrOf(report)).toBeGreaterThan(30);
});

describe("nothing to quantize", () => {
  const norms = (): Model =>
    buildModel({
      inputs: { x: ["n", 4] },
      outputs: ["y"],
      build: (emit) => void emit.op("Tanh", [emit.op("Sin", ["x"])], {}, { outputs: ["y"] }),
    });

  test.each(["quantize", "optimize"])(
    "%s writes the model as it came, with a warning and no other files",
    async (command) => {
      const own = await mkdtemp(join(folder, "nothing-"));
      const [source, data, out, json] = ["m.onnx", "d.npz", "o.onnx", "r.json"].map((name) =>
        join(own, name),
      ) as [string, string, string, string];
      await saveModel(norms(), source);
      await writeNpz(data, { x: randomTensor([12, 4], 3) });
      const { exitCode, stdout } = await runCli([
        ...[
          command,
          source,
          "--data",
          data,
          "--labels",
          "none",
          "--out",
          out,
          "--json",
          json,
          "--threads",
          "1",
        ],
      ]);
      expect(exitCode).toBe(0);
      expect(stdout).toContain("Nothing in this model can be quantized");
      expect(readFileSync(out)).toEqual(readFileSync(source));
      expect((await readdir(own)).sort()).toEqual(["d.npz", "m.onnx", "o.onnx", "r.json"]);
      reportSchema.parse(JSON.parse(readFileSync(json, "utf8")));
    },
  );
});

test("operators of somebody's own are named, with their domain", async () => {
  const model = buildModel({
    inputs: { x: ["n", 3, 8, 8] },
    outputs: ["y"],
    build(emit) {
      const conv = emitConv(emit, "x", [4, 3, 3, 3]);
      emit.op("BatchedNms", [conv], {}, { outputs: ["y"], domain: "vendor", name: "nms" });
    },
  });
  model.opsets.set("vendor", 1);
  await saveModel(model, at("custom.onnx"));
  for (const command of [["inspect"], ["quantize", "--data", at("d.npz"), "--out", at("custom.out.onnx")]]) {
    await writeNpz(at("d.npz"), { x: randomTensor([2, 3, 8, 8], 5) });
    const [name = "", ...rest] = command;
    const { exitCode, stderr } = await runCli([name, at("custom.onnx"), ...rest]);
    expect(exitCode).toBe(3);
    expect(stderr).toMatch(/BatchedNms of the domain "vendor" \(node "nms"\).*cannot be loaded/);
  }
});

test("a constant output, and a shape that only the source declares, are kept", async () => {
  const step = createGraph("step");
  step.inputs = [createValue("state", "float32", [8]), createValue("row", "float32", [8])];
  step.outputs = [createValue("next", "float32", [8]), createValue("seen", "float32", [8])];
  const inner = new Emitter(step);
  inner.op("Add", ["state", "row"], {}, { outputs: ["next"] });
  inner.op("Identity", ["next"], {}, { outputs: ["seen"] });
  const model = buildModel({
    inputs: { x: ["n", 8] },
    outputs: ["y", "sums", "names"],
    build(emit) {
      emit.node("Scan", [emit.constant(floats(Array<number>(8).fill(0)), "zero"), "x"], {
        outputs: ["last", "sums"],
        attributes: { body: graphAttribute(step), num_scan_inputs: 1 },
      });
      const product = emit.op("MatMul", ["sums", emit.constant(randomTensor([8, 4], 3), "w")]);
      emit.op("Relu", [product], {}, { outputs: ["y"] });
      emit.graph.initializers.set("names", floats([1, 2, 3]));
    },
  });
  declared(model, { y: ["n", 4], sums: ["n", 8], names: [3] });
  const { report, model: written } = await quantize(model, { x: randomTensor([12, 8], 5) });
  expect(shapesOf(written)).toEqual({ x: ["n", 8], y: ["n", 4], sums: ["n", 8], names: [3] });
  expect(report.quantization?.weights).toBe(1);
  const { names } = await withSession(written, { threads: 1 }, (session) =>
    session.run({ x: randomTensor([2, 8], 6) }),
  );
  expect(toNumbers(names as Tensor)).toEqual([1, 2, 3]);
});
