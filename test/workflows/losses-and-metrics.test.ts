import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { randomStream } from "../../src/data/random.ts";
import { evaluate, optimize } from "../../src/index.ts";
import { Emitter } from "../../src/ir/emit.ts";
import { createGraph, createModel, createValue } from "../../src/ir/graph.ts";
import { encodeModel } from "../../src/onnx/index.ts";
import { floats, ints } from "../../src/tensor/tensor.ts";
import { catchUserError } from "../support/catch-error.ts";
import { writeNpz } from "../support/write-numpy.ts";
import { tinyModel } from "../training/tiny-network.ts";

const folder = mkdtempSync(join(tmpdir(), "efqat-losses-"));
const at = (name: string): string => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true }));

/** Mean squared difference of scores and wanted [N, 3]: one number, or one for each sample. */
function difference(bySample: boolean): Uint8Array {
  const graph = createGraph("difference");
  for (const name of ["scores", "wanted"]) graph.inputs.push(createValue(name, "float32", ["N", 3]));
  const emit = new Emitter(graph);
  const gap = emit.op("Sub", ["scores", "wanted"]);
  const attributes = bySample ? { axes: [1], keepdims: 0 } : { keepdims: 0 };
  emit.node("ReduceMean", [emit.op("Mul", [gap, gap])], { outputs: ["value"], attributes });
  graph.outputs.push(createValue("value", "float32", bySample ? ["N"] : []));
  return encodeModel(createModel(graph, 17));
}

const samples = 160;

beforeAll(async () => {
  writeFileSync(at("model.onnx"), encodeModel(tinyModel()));
  writeFileSync(at("loss.onnx"), difference(false));
  writeFileSync(at("metric.onnx"), difference(true));
  const random = randomStream(5);
  const values = (count: number): number[] => Array.from({ length: count }, random);
  await writeNpz(at("data.npz"), {
    x: floats(values(samples * 64), [samples, 1, 8, 8]),
    wanted: floats(values(samples * 3), [samples, 3]),
    kinds: ints(
      values(samples).map((value) => Math.floor(3 * value)),
      [samples],
    ),
  });
});

const common = () => ({ model: at("model.onnx"), data: at("data.npz"), target: "ort-cpu-no-vnni" as const });

test("a loss and a metric that are ONNX models train and judge a model", async () => {
  const report = await optimize({
    ...common(),
    out: at("out.onnx"),
    loss: at("loss.onnx"),
    metric: `${at("metric.onnx")}:lower`,
    epochs: 1,
    batch: 16,
    val: 32,
    lr: 0.05,
    seed: 3,
  });
  const { training, scores = [], comparison, judging } = report;
  expect(training?.loss).toBe("onnx");
  const looks = training?.validation.map(({ metric = NaN }) => metric) ?? [];
  const lossLooks = training?.validation.map(({ loss }) => loss) ?? [];
  expect(Math.min(...looks)).toBeLessThan(looks[0] as number);
  // The metric is the loss, sample by sample.
  looks.forEach((value, look) => expect(value).toBeCloseTo(lossLooks[look] as number, 5));
  expect(training?.bestStep).toBeGreaterThan(0);
  expect(judging?.metrics?.[0]?.better).toBe("lower");
  const [, start, trained] = scores.map(({ metrics }) => metrics?.[0]?.value ?? NaN);
  expect(trained).toBeLessThan(start as number);
  expect(comparison).toMatchObject({ measure: "metric", better: true });
  expect(comparison?.gain).toBeCloseTo((start as number) - (trained as number), 6);
}, 60_000);

test("several metrics of a model beside a reference, one of them a function", async () => {
  const { scores = [], judging } = await evaluate({
    model: at("model.onnx"),
    reference: at("model.onnx"),
    data: at("data.npz"),
    metric: [
      ({ outputs, targets }) => (outputs["scores"]?.data[0] ?? 0) - (targets["wanted"]?.data[0] ?? 0),
      "top1@kinds",
      "mse@wanted",
    ],
  });
  expect(judging?.metrics?.map(({ name, better }) => [name, better])).toEqual([
    ["metric", "higher"],
    ["top1@kinds", "higher"],
    ["mse@wanted", "lower"],
  ]);
  for (const { metrics = [] } of scores)
    expect(metrics.map(({ interval }) => interval?.length)).toEqual([2, 2, 2]);
  expect(scores[0]?.metrics).toEqual(scores[1]?.metrics);
});

test.each([
  [{ loss: "mse@wanted", metric: "miou@gone" }, /no array "gone"/],
  [{ loss: "missing.onnx" }, /missing\.onnx/],
  [{ metric: "other=mse" }, /output "other"/],
  [{ metric: "wer" }, /--characters/],
  [{ metric: "map" }, /four coordinates/],
  [{ metric: "top1@labels" }, /the data has none/],
  [{ metric: "gone.mjs" }, /gone\.mjs/],
  [{ metric: () => NaN }, /no number/],
  [
    {
      metric: () => {
        throw new Error("no such thing");
      },
    },
    /no such thing/,
  ],
])("mistakes are told before anything is calibrated: %j", async (given, message) => {
  const stages: string[] = [];
  const logger = { progress: (stage: string) => void stages.push(stage) };
  const request = { ...common(), out: at("none.onnx"), ...given };
  const error = await catchUserError(() => optimize(request, { logger }));
  expect(error.toParagraph()).toMatch(message);
  expect(stages.filter((stage) => /calibrat|train|graphs/.test(stage))).toEqual([]);
});
