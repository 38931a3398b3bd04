import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { encodingsOf } from "../../../src/audit/encodings-of.ts";
import { parseEncodings, readEncodings } from "../../../src/calibration/encodings/read-encodings.ts";
import { encodingsFormats, writeEncodings } from "../../../src/calibration/encodings/write-encodings.ts";
import { loadModel, saveModel } from "../../../src/onnx/index.ts";
import { runCli } from "../../cli/terminal.ts";
import { requirePython } from "../../support/python.ts";
import { tinyData, tinyModel } from "../../training/tiny-network.ts";

let folder: string;
const at = (name: string): string => join(folder, name);
const quantize = async (out: string, ...more: string[]) => {
  const outcome = await runCli([
    ...[
      "quantize",
      at("tiny.onnx"),
      "--data",
      tinyData.path,
      "--samples",
      "32",
      "--threads",
      "1",
      "--data-timeout",
      "120",
    ],
    ...["--out", out, ...more],
  ]);
  expect(outcome.stderr).not.toContain("Error");
  return outcome;
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "efqat-encodings-"));
  await saveModel(tinyModel(), at("tiny.onnx"));
  await quantize(at("tiny.int8.onnx"), "--calibration", "moving-average");
}, 120_000);
afterAll(() => rm(folder, { recursive: true }));

const encoding = { bits: 8, scale: 0.5, offset: -3, symmetric: false };
const row = { bits: 8, scale: 0.25, offset: -128, symmetric: true };

describe("what is written is read again", () => {
  test.each(encodingsFormats)("%s", (format) => {
    const written = {
      activations: new Map([["x", encoding]]),
      weights: new Map([["w", [row, row]]]),
    };
    const found = parseEncodings(writeEncodings(written, format));
    expect(found?.ranges.get("x")).toEqual({ min: -1.5, max: 126 });
    expect(found?.weights).toEqual(format === "onnxruntime" ? new Map() : written.weights);
  });

  test.each(encodingsFormats)(
    "a model quantized with its own encodings (%s) is the same model",
    async (format) => {
      const file = at(`tiny.${format}.json`);
      const outcome = await runCli(["encodings", at("tiny.int8.onnx"), "--format", format, "--out", file]);
      expect(outcome).toMatchObject({ exitCode: 0 });
      expect(outcome.stdout).toMatch(/Scales and offsets of \d+ values and 4 weights/);
      // Other ranges than those of the samples' extremes, which the second run would find by itself.
      await quantize(at("again.onnx"), "--calibration", "minmax", "--encodings", file);
      const [first, again] = await Promise.all(
        [at("tiny.int8.onnx"), at("again.onnx")].map((path) => loadModel(path)),
      );
      const scales = (of: Parameters<typeof encodingsOf>[0] | undefined) =>
        of &&
        Array.from(encodingsOf(of).activations, ([name, { scale, offset }]) => [
          name,
          Math.fround(scale),
          offset,
        ]);
      expect(scales(again)).toEqual(scales(first));
    },
    120_000,
  );
});

describe("other tools' files", () => {
  test("AIMET 2.0.0: what a QuantizeLinear takes, of values and weights alike", () => {
    const latest = {
      version: "2.0.0",
      encodings: [
        { name: "x", output_dtype: "uint8", y_scale: 0.5, y_zero_point: 3 },
        { name: "s", output_dtype: "int8", y_scale: 0.5, y_zero_point: -128 },
        { name: "w", axis: 0, output_dtype: "int8", y_scale: [0.25, 0.5] },
        { name: "b", axis: 1, block_size: 32, output_dtype: "int4", y_scale: [[0.25, 0.5]] },
        { name: "f", output_dtype: "float16", y_scale: null },
      ],
    };
    const found = parseEncodings(JSON.stringify(latest));
    expect([...(found?.ranges ?? [])]).toEqual([
      ["x", { min: -1.5, max: 126 }],
      ["s", { min: 0, max: 127.5 }],
    ]);
    const code = { bits: 8, offset: -128, symmetric: true };
    expect(found?.weights.get("w")).toEqual([
      { ...code, scale: 0.25 },
      { ...code, scale: 0.5 },
    ]);
    expect(["b", "f"].some((name) => found?.weights.has(name))).toBe(false);
  });

  test("ranges without scales, texts for truth values, floats and blocks", () => {
    const old = {
      activation_encodings: {
        x: [{ bitwidth: 8, dtype: "int", is_symmetric: "False", min: -1, max: 1.55 }],
        f: [{ bitwidth: 16, dtype: "float" }],
      },
      param_encodings: {},
    };
    expect([...(parseEncodings(JSON.stringify(old))?.ranges ?? [])]).toEqual([
      ["x", { min: expect.closeTo(-1, 6) as number, max: expect.closeTo(1.55, 6) as number }],
    ]);
    const entry = {
      name: "w",
      dtype: "INT",
      bw: 4,
      enc_type: "PER_BLOCK",
      is_sym: true,
      scale: [1],
      offset: [-8],
    };
    const blocks = { version: "1.0.0", activation_encodings: [], param_encodings: [entry] };
    expect(parseEncodings(JSON.stringify(blocks))?.weights.size).toBe(0);
  });

  test("calibration tables as text, of ONNX Runtime and of TensorRT", () => {
    expect([...(parseEncodings("x 2.5\nlayer 1/y 0.125\n")?.ranges ?? [])]).toEqual([
      ["x", { min: -2.5, max: 2.5 }],
      ["layer 1/y", { min: -0.125, max: 0.125 }],
    ]);
    // 0x3c010a14 is 1 / 127.
    const [[, range] = []] = parseEncodings("TRT-8601-EntropyCalibration2\nx: 3c010204\n")?.ranges ?? [];
    expect(range?.max).toBeCloseTo(1, 4);
  });

  test.each([
    ["nothing.json", undefined, /does not exist/],
    ["other.json", '{"a": 1}', /none of the known forms/],
    ["broken.json", '{"version": "0.6.1"', /none of the known forms/],
    ["text.txt", "once upon a time\n", /none of the known forms/],
    ["empty.json", '{"x": [2, 1]}', /empty range for "x"/],
    ["large.json", '{"x": [-1e39, 1]}', /none of the known forms/],
  ])("%s is refused", async (name, text, message) => {
    if (text !== undefined) await writeFile(at(name), text);
    await expect(readEncodings(at(name))).rejects.toThrow(message);
  });

  test("of another model are refused", async () => {
    await writeFile(at("foreign.json"), '{"somebody_elses": [-1, 1]}');
    const outcome = await runCli([
      ...["quantize", at("tiny.onnx"), "--data", tinyData.path, "--samples", "32"],
      ...["--out", at("foreign.onnx"), "--encodings", at("foreign.json")],
    ]);
    expect(outcome).toMatchObject({ exitCode: 3 });
    expect(outcome.stderr).toContain('they name "somebody_elses"');
  });

  test("a model without quantizers has none to write", async () => {
    const outcome = await runCli(["encodings", at("tiny.onnx"), "--out", at("none.json")]);
    expect(outcome).toMatchObject({ exitCode: 3 });
    expect(outcome.stderr).toContain("not-quantized");
  });
});

test("onnxruntime.quantization reads the table, and its own table is read", async (context) => {
  const python = await requirePython(context, ["onnx", "onnxruntime"]);
  await runCli([
    "encodings",
    at("tiny.int8.onnx"),
    "--format",
    "onnxruntime",
    "--out",
    at("calibration.json"),
  ]);
  const script = `
import json, sys, numpy as np
from onnxruntime.quantization.calibrate import CalibrationMethod, TensorData, TensorsData
from onnxruntime.quantization import quant_utils
written = json.load(open(sys.argv[1]))
print(len(TensorsData.from_dict(written).data)) if hasattr(TensorsData, "from_dict") else print(len(written["data"]))
made = TensorsData(CalibrationMethod.MinMax, {"scores": TensorData(lowest=np.float32(-2), highest=np.float32(3)), "sum": TensorData(lowest=np.array([-1.5], np.float32), highest=np.array([0.5], np.float32))})
encoder = getattr(__import__("onnxruntime.quantization.calibrate").quantization.calibrate, "CalibrationCacheEncoder", None)
json.dump(made, open(sys.argv[2], "w"), cls=encoder) if encoder else json.dump({"scores": [-2, 3], "sum": [-1.5, 0.5]}, open(sys.argv[2], "w"))
`;
  const { stdout } = await execa(python, ["-c", script, at("calibration.json"), at("theirs.json")]);
  const own = encodingsOf(await loadModel(at("tiny.int8.onnx")));
  expect(Number(stdout)).toBe(own.activations.size);
  const theirs = parseEncodings(await readFile(at("theirs.json"), "utf8"));
  expect([...(theirs?.ranges ?? [])]).toEqual([
    ["scores", { min: -2, max: 3 }],
    ["sum", { min: -1.5, max: 0.5 }],
  ]);
}, 300_000);
