import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { randomStream } from "../../src/data/random.ts";
import { buildArtifact, optimize, trainArtifact } from "../../src/index.ts";
import { Emitter } from "../../src/ir/emit.ts";
import { createGraph, createModel, createValue } from "../../src/ir/graph.ts";
import { encodeModel } from "../../src/onnx/index.ts";
import { floats, ints, type Tensor } from "../../src/tensor/tensor.ts";
import { catchUserError } from "../support/catch-error.ts";
import { writeNpz } from "../support/write-numpy.ts";

const folder = mkdtempSync(join(tmpdir(), "efqat-sequences-"));
const at = (name: string): string => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true }));

const [samples, steps, length, classes, channels] = [192, 8, 4, 4, 32] as const;

/** x [batch, 1, 4, width]: two columns of pixels a step -> scores [batch, width / 2, 4], or with the steps first. */
function reader(width: number | string, stepsFirst: boolean): Uint8Array {
  const graph = createGraph("reader");
  const emit = new Emitter(graph);
  const random = randomStream(11);
  // A quarter of the filters looks at each row and is read as its class, under noise: from noise alone it may end in a poor optimum.
  const conv = (name: string, x: string, [rows, ...dims]: [number, ...number[]], noise: number): string => {
    const width = dims.reduce((a, b) => a * b, 1);
    const values = Array.from({ length: rows * width }, (_, at) => {
      const [row, column] = [Math.floor(at / width) / rows, (at % width) / width];
      return (Math.floor(4 * row) === Math.floor(4 * column) ? 1 : 0) + (random() - 0.5) * noise;
    });
    graph.initializers.set(name, floats(values, [rows, ...dims]));
    graph.initializers.set(`${name}.bias`, floats(Array.from({ length: rows }, () => 0)));
    const window = dims.slice(1);
    return emit.op("Conv", [x, name, `${name}.bias`], { kernel_shape: window, strides: window });
  };
  graph.inputs.push(createValue("x", "float32", ["batch", 1, 4, width]));
  const seen = emit.op("Relu", [conv("look", "x", [channels, 1, 4, 2], 2)]);
  graph.initializers.set("height", ints([2]));
  const flat = emit.op("Squeeze", [conv("read", seen, [classes, channels, 1, 1], 2), "height"]);
  const perm = stepsFirst ? [2, 0, 1] : [0, 2, 1];
  emit.node("Transpose", [flat], { outputs: ["scores"], attributes: { perm } });
  const wide = typeof width === "number" ? width / 2 : undefined;
  const shape = stepsFirst ? [wide, "batch", classes] : ["batch", wide, classes];
  graph.outputs.push(createValue("scores", "float32", shape));
  return encodeModel(createModel(graph, 13));
}

/** Lines of up to four of three letters: each lights up a row of pixels at every other step, or leaves it dark. */
function writeLines(): { x: number[]; words: number[][] } {
  const random = randomStream(5);
  const words: number[][] = [];
  const x: number[] = [];
  for (let sample = 0; sample < samples; sample++) {
    const pixels = Array.from({ length: 4 * 2 * steps }, () => (random() - 0.5) * 0.1);
    const word: number[] = [];
    for (let step = 0; step < steps; step += 2) {
      if (random() < 0.3) continue;
      const letter = 1 + Math.floor(3 * random());
      word.push(letter);
      for (const column of [0, 1]) pixels[(letter * steps + step) * 2 + column] = 1;
    }
    x.push(...pixels);
    words.push(word);
  }
  return { x, words };
}

/** Sequences as rows of one width, -1 behind them. */
function padded(rows: readonly (readonly number[])[], width: number): Tensor {
  const filled = rows.flatMap((row) => [...row, ...Array.from({ length: width - row.length }, () => -1)]);
  return ints(filled, [rows.length, width]);
}

beforeAll(async () => {
  writeFileSync(at("reader.onnx"), reader(2 * steps, false));
  writeFileSync(at("open.onnx"), reader("width", true));
  const { x, words } = writeLines();
  const first = (row: number[]): Tensor => padded([row, ...words.slice(1)], length);
  const letters = words.map((word) => word.map((letter) => letter - 1));
  await writeNpz(at("lines.npz"), {
    x: floats(x, [samples, 1, 4, 2 * steps]),
    words: padded(words, length),
    letters: padded(letters, length),
    blank: first([1, 0, 2]),
    gap: first([1, -1, 2]),
    large: first([1, 4]),
    repeated: padded([[1, 1, 1, 1, 1], ...words.slice(1)], 5),
    long: padded(
      words.map(() => [1, 1, 1, 1, 1]),
      5,
    ),
    deep: ints(
      Array.from({ length: 4 * samples }, () => 1),
      [samples, 2, 2],
    ),
  });
});

const common = { data: at("lines.npz"), target: "ort-cpu-no-vnni", batch: 16, seed: 3 } as const;

test("a reader of lines trains from random weights by ctc, judged by its error rate", async () => {
  const report = await optimize({
    ...common,
    model: at("reader.onnx"),
    out: at("reader.int8.onnx"),
    loss: "ctc@words",
    metric: "cer@words",
    trainRows: 1,
    optimizer: "adamw",
    lr: 0.03,
    epochs: 8,
    val: 32,
  });
  const looks = report.training?.validation ?? [];
  const [start, end] = [looks[0], looks.at(-1)];
  expect(end?.loss).toBeLessThan(0.2 * (start?.loss ?? 0));
  expect(start?.metric).toBeGreaterThan(0.3);
  expect(end?.metric).toBeLessThan(0.1);
  const rates = report.scores?.map(({ metrics }) => metrics?.[0]?.value ?? NaN) ?? [];
  expect(rates.at(-1)).toBeLessThan(0.1);
  expect(report.comparison).toMatchObject({ measure: "metric", better: true });
}, 60_000);

test("steps first, of a width that only the data tell, with the blank last: an artifact trains", async () => {
  const { batch, seed, ...build } = common;
  const loss = "ctc@letters:blank-last";
  await buildArtifact({
    ...build,
    batch,
    seed,
    model: at("open.onnx"),
    out: at("artifact"),
    loss,
    trainRows: 1,
    optimizer: "adamw",
    lr: 0.03,
  });
  const manifest = JSON.parse(readFileSync(at("artifact/manifest.json"), "utf8")) as {
    loss: { terms: { sequence: unknown }[] };
  };
  expect(manifest.loss.terms[0]?.sequence).toEqual({ length, steps, classes, blank: 3, samplesAxis: 1 });
  const report = await trainArtifact({
    artifact: at("artifact"),
    data: common.data,
    epochs: 8,
    val: 32,
    seed: 3,
    metric: "cer@letters:blank-last",
  });
  const looks = report.training?.validation ?? [];
  expect(looks.at(-1)?.loss).toBeLessThan(0.2 * (looks[0]?.loss ?? 0));
  expect(looks[0]?.metric).toBeGreaterThan(0.3);
  expect(looks.at(-1)?.metric).toBeLessThan(0.1);
}, 60_000);

test.each([
  ["ctc", /ctc compares with label sequences.*ctc@NAME/],
  ["ctc@gone", /no array "gone"/],
  ["x=ctc@words", /output "x"/],
  ["ctc@blank", /sample 0 in "blank" holds 0, which is the blank/],
  ["ctc@words:blank-last", /"words" holds 3, which is the blank/],
  ["ctc@gap", /sample 0 in "gap" has the label 2 behind a -1/],
  ["ctc@large", /holds 4, and the output tells 4 classes apart/],
  ["ctc@long", /192 of 192 label sequences in "long" do not fit into the 8 steps/],
  ["ctc@deep", /"deep" is \[samples, 2, 2\], and label sequences are \[samples, length\]/],
  ["mse@words:blank-last", /mse has no form "blank-last"/],
])("a mistake is told before anything is calibrated: --loss %s", async (loss, message) => {
  const stages: string[] = [];
  const logger = { progress: (stage: string) => void stages.push(stage) };
  const request = { ...common, model: at("reader.onnx"), out: at("none.onnx"), loss };
  const error = await catchUserError(() => optimize(request, { logger }));
  expect(error.toParagraph()).toMatch(message);
  expect(stages.filter((stage) => /calibrat|train|graphs/.test(stage))).toEqual([]);
});

test("sequences that do not fit into the steps are said not to count", async () => {
  const warnings: string[] = [];
  const logger = { warn: (text: string) => void warnings.push(text) };
  const { batch, seed, ...build } = common;
  const request = { ...build, batch, seed, model: at("reader.onnx"), out: at("few"), loss: "ctc@repeated" };
  await buildArtifact(request, { logger });
  expect(warnings.join()).toMatch(/1 of 192 label sequences in "repeated" do not fit into the 8 steps/);
}, 30_000);
