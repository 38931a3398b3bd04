/**
 * Builds a model whose weights are more than one file can hold, takes it through quantize or optimize in a process of its
 * own, and prints time and peak memory of every stage: `npm run check:large [-- --gigabytes 2.5 --command quantize]`.
 * Everything lies in a temporary folder (--folder), which is removed. Ends with an error where the command fails or the file is
 * larger than 0.3 of the float one.
 */
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { execa } from "execa";
import { Emitter } from "../src/ir/emit.ts";
import type { Model } from "../src/ir/model.ts";
import { createGraph, createModel, createValue } from "../src/ir/graph.ts";
import { saveModel } from "../src/onnx/index.ts";
import type { Tensor } from "../src/tensor/tensor.ts";

const width = 4096;
const { values } = parseArgs({
  options: {
    gigabytes: { type: "string", default: "2.5" },
    command: { type: "string", default: "quantize" },
    folder: { type: "string", default: tmpdir() },
    samples: { type: "string", default: "32" },
  },
});

/** Weights [width, width] that are made when they are written, so that the script itself needs no memory for them. */
function randomWeight(seed: number): Tensor {
  return {
    dtype: "float32",
    dims: [width, width],
    get bytes() {
      const numbers = new Float32Array(width * width);
      let state = seed * 2654435761 + 1;
      for (let i = 0; i < numbers.length; i++) {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        numbers[i] = (state / 2 ** 31 - 1) * Math.sqrt(6 / width);
      }
      return new Uint8Array(numbers.buffer);
    },
  };
}

/** Linear layers with Relu between them. */
function perceptron(layers: number): Model {
  const graph = createGraph("large");
  graph.inputs.push(createValue("x", "float32", ["batch", width]));
  graph.outputs.push(createValue("y", "float32", ["batch", width]));
  const emit = new Emitter(graph);
  let value = "x";
  for (let i = 0; i < layers; i++) {
    graph.initializers.set(`w${i}`, randomWeight(i + 1));
    const product = emit.op("MatMul", [value, `w${i}`], {}, i === layers - 1 ? { outputs: ["y"] } : {});
    value = i === layers - 1 ? product : emit.op("Relu", [product]);
  }
  return createModel(graph, 17);
}

/** Bytes of all files in a folder whose names start so: a model's and those of its data. */
async function bytesOf(folder: string, start: string): Promise<number> {
  const names = (await readdir(folder)).filter((name) => name.startsWith(start));
  const sizes = await Promise.all(names.map((name) => stat(path.join(folder, name))));
  return sizes.reduce((sum, { size }) => sum + size, 0);
}

interface Stage {
  stage: string;
  seconds: number;
  peakBytes?: number;
  runtimePeakBytes?: number;
}

const gigabytes = (bytes: number | undefined): string =>
  bytes === undefined ? "-".padStart(8) : `${(bytes / 1e9).toFixed(2)} GB`.padStart(8);

const folder = await mkdtemp(path.join(values.folder, "efqat-large-"));
let failed = false;
try {
  const layers = Math.ceil((Number(values.gigabytes) * 1e9) / (4 * width * width));
  await saveModel(perceptron(layers), path.join(folder, "model.onnx"), { externalData: "always" });
  const source = await bytesOf(folder, "model.onnx");
  console.log(`${layers} layers of ${width} x ${width}, ${gigabytes(source).trim()}, in ${folder}`);
  const args = [
    ...["dist/src/cli/main.js", values.command, path.join(folder, "model.onnx")],
    ...[
      "--data",
      "scripts/bench/random-module.mjs",
      "--labels",
      "none",
      "--samples",
      values.samples,
      "--batch",
      "8",
    ],
    ...(values.command === "optimize" ? ["--epochs", "1", "--val", "8", "--train-rows", "0.05"] : []),
    ...["--out", path.join(folder, "out.onnx"), "--json", path.join(folder, "report.json")],
  ];
  const { exitCode } = await execa(process.execPath, args, { stdio: "inherit", reject: false });
  failed = exitCode !== 0;
  if (!failed) {
    const { stages } = JSON.parse(await readFile(path.join(folder, "report.json"), "utf8")) as {
      stages: Stage[];
    };
    console.log(`\n${"stage".padEnd(20)} seconds  own peak  ONNX Runtime's`);
    for (const { stage, seconds, peakBytes, runtimePeakBytes } of stages)
      console.log(
        `${stage.padEnd(20)} ${seconds.toFixed(1).padStart(7)}  ${gigabytes(peakBytes)}  ${gigabytes(runtimePeakBytes)}`,
      );
    const written = await bytesOf(folder, "out");
    console.log(`${gigabytes(source).trim()} -> ${gigabytes(written).trim()}`);
    failed = written > 0.3 * source;
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
process.exitCode = failed ? 1 : 0;
