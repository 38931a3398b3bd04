import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadModel, saveModel } from "../../src/onnx/index.ts";
import { runCli } from "../cli/terminal.ts";
import { buildModel } from "../support/build-model.ts";
import { randomTensor } from "../support/random-tensor.ts";
import { encodeNpy } from "../support/write-numpy.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "efqat-names-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** What each value of a network of two layers is called: names that every JavaScript object answers to. */
const networks = [
  {
    input: "constructor",
    weight: "toString",
    bias: "__proto__",
    hidden: "valueOf",
    output: "hasOwnProperty",
  },
  { input: "__proto__", weight: "constructor", bias: "toString", hidden: "isPrototypeOf", output: "valueOf" },
  { input: "x", weight: "__proto__", bias: "constructor", hidden: "toLocaleString", output: "y" },
] as const;

describe.each(networks)("values named as what objects have built in", (names) => {
  test(`input ${names.input}, weight ${names.weight}, bias ${names.bias}: trained and exported`, async () => {
    const model = buildModel({
      inputs: Object.fromEntries([[names.input, ["N", 8]]]),
      outputs: [names.output],
      build(emit) {
        const { initializers } = emit.graph;
        initializers.set(names.weight, randomTensor([8, 16], 1));
        initializers.set(names.bias, randomTensor([16], 2));
        initializers.set("last", randomTensor([16, 4], 3));
        emit.op("Gemm", [names.input, names.weight, names.bias], {}, { outputs: [names.hidden] });
        emit.op("Relu", [names.hidden], {}, { outputs: ["relu"] });
        emit.op("MatMul", ["relu", "last"], {}, { outputs: [names.output] });
      },
    });
    const [file, data, out] = ["model.onnx", "x.npy", "out.onnx"].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    await saveModel(model, file);
    await writeFile(data, encodeNpy(randomTensor([24, 8], 4)));
    const line = ["optimize", file, "--data", data, "--labels", "none", "--out", out, "--epochs", "1"];
    const { exitCode, stderr } = await runCli([
      ...line,
      "--batch",
      "8",
      "--algorithms",
      "estimate",
      "--threads",
      "1",
    ]);
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
    const { graph } = await loadModel(out);
    expect(graph.inputs.map(({ name }) => name)).toEqual([names.input]);
    expect(graph.outputs.map(({ name }) => name)).toEqual([names.output]);
    expect(graph.nodes.some(({ opType }) => opType === "QuantizeLinear")).toBe(true);
  }, 60_000);
});
