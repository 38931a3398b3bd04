import { existsSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { PythonResult } from "../../src/importers/python-result.ts";
import { Emitter } from "../../src/ir/emit.ts";
import { createGraph, createModel, createValue } from "../../src/ir/graph.ts";
import type { Model } from "../../src/ir/model.ts";
import { loadModel } from "../../src/onnx/index.ts";
import { type Report, reportSchema } from "../../src/report/report-data.ts";
import { floats } from "../../src/tensor/tensor.ts";
import { type Outcome, runCli } from "../cli/terminal.ts";
import { fakePython } from "./fake-python.ts";

let folder: string;
let net: string;
const at = (name: string): string => join(folder, name);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "efqat-import-"));
  net = at("net.py");
  await writeFile(net, "def build(): ...\n");
});
afterEach(() => rm(folder, { recursive: true }));

/** y = 2 * x, or another factor, with the batch open under an exporter's own name. */
function scaled(factor: number, batch: string | number = "s77"): Model {
  const graph = createGraph("scaled");
  const emit = new Emitter(graph);
  graph.inputs.push(createValue("x", "float32", [batch, 3]));
  emit.node("Mul", ["x", emit.constant(floats([factor], []))], { name: "scale", outputs: ["y"] });
  graph.outputs.push(createValue("y", "float32", [batch, 3]));
  return createModel(graph, 17);
}

const exported = (attempt: string): PythonResult => ({
  ok: true,
  attempt,
  failures: [],
  notes: [],
  versions: { torch: "9.9" },
  inputs: ["x"],
  outputs: ["y"],
  references: 2,
  openAxes: { x: attempt.endsWith("open") ? [0] : [] },
});

const rows = (factor: number, count: number) => [
  floats(
    Array.from({ length: 3 * count }, (_, i) => factor * (i + 1)),
    [count, 3],
  ),
];
/** Feeds of one and three samples, and what the network makes of them. */
const references = { feeds: [rows(1, 1), rows(1, 3)], expected: [rows(2, 1), rows(2, 3)] };

const fromTorch = (python: string, ...more: string[]): Promise<Outcome> =>
  runCli([
    ...["from-torch", `${net}:build`, "--input", "1x3", "--python", python, "--out", at("net.onnx")],
    ...["--json", at("report.json"), ...more],
  ]);

const readReport = (): Report => reportSchema.parse(JSON.parse(readFileSync(at("report.json"), "utf8")));
const taskOf = (turn: number): Record<string, unknown> =>
  JSON.parse(readFileSync(at(`task-${turn}.json`), "utf8")) as Record<string, unknown>;

describe.skipIf(process.platform === "win32")("efqat from-torch", () => {
  test("writes a file that computes what PyTorch does, with a batch of that name", async () => {
    const python = await fakePython(folder, [
      { result: exported("dynamo-open"), model: scaled(2), ...references },
    ]);
    const outcome = await fromTorch(python);
    expect(outcome).toMatchObject({ exitCode: 0 });
    expect(outcome.stdout).toContain(`Next: efqat optimize ${at("net.onnx")} --data DATA`);
    const { graph } = await loadModel(at("net.onnx"));
    expect([graph.inputs[0]?.type, graph.outputs[0]?.type]).toMatchObject([
      { shape: ["batch", 3] },
      { shape: ["batch", 3] },
    ]);
    expect(taskOf(0)).toMatchObject({ script: "efqat_torch", module: net, name: "build", home: folder });
    expect(taskOf(0)["inputs"]).toEqual([{ shape: [1, 3], dtype: "float32" }]);
    expect(readReport().imported).toMatchObject({ outputs: [{ output: "y", error: 0 }], failures: [] });
  });

  test("tries another exporter where the file computes something else, or only at the traced size", async () => {
    const python = await fakePython(folder, [
      { result: exported("dynamo-open"), model: scaled(2.01), ...references },
      { result: exported("torchscript-open"), model: scaled(2, 1), ...references },
      { result: exported("dynamo-fixed"), model: scaled(2), ...references },
    ]);
    expect(await fromTorch(python)).toMatchObject({ exitCode: 0 });
    expect(taskOf(2)["skip"]).toEqual(["dynamo-open", "torchscript-open"]);
    const { imported, warnings } = readReport();
    expect(imported?.failures.map(({ what }) => what)).toEqual([
      expect.stringContaining('output "y" is 0.5'),
      expect.stringContaining("in ONNX Runtime"),
    ]);
    expect(warnings).toEqual([expect.stringContaining("The batch is fixed")]);
  });

  test("says that no exporter is left, and why each failed, and writes nothing", async () => {
    const refusal: PythonResult = {
      ok: false,
      kind: "export",
      what: "No exporter is left.",
      hint: "",
      where: "",
    };
    const python = await fakePython(folder, [
      { result: exported("dynamo-open"), model: scaled(3), ...references },
      { result: refusal },
    ]);
    const outcome = await fromTorch(python);
    expect(outcome.exitCode).toBe(3);
    expect(outcome.stderr).toMatch(/python-export.*dynamo-open: in ONNX Runtime, output "y" is 50/);
    expect(existsSync(at("net.onnx"))).toBe(false);
  });

  test("goes on with the command behind --, whose mistakes are told before Python starts", async () => {
    const python = await fakePython(folder, [
      { result: exported("dynamo-open"), model: scaled(2), ...references },
    ]);
    const wrong = await fromTorch(python, "--", "quantise", "--data", "x.npz");
    expect(wrong.stderr).toContain("Did you mean quantize?");
    expect(existsSync(at("task-0.json"))).toBe(false);
    const data = await fromTorch(python, "--", "data", "--samples", "3");
    expect(data.stderr).toContain('"data" does not go on from the file of from-torch');
    const outcome = await fromTorch(python, "--", "inspect");
    expect(outcome.exitCode).toBe(0);
    expect(outcome.stdout).toContain("operators: Mul 1");
  });

  test.each<[string, PythonResult | undefined, number, RegExp]>([
    [
      "a missing package",
      {
        ok: false,
        kind: "package",
        package: "torch",
        what: "torch is not installed",
        hint: "",
        where: "/py",
      },
      4,
      /python-package.*pip install torch onnx onnxscript/,
    ],
    [
      "a mistake of the user's module",
      { ok: false, kind: "build", what: "build() failed: KeyError: 'w'", hint: "", where: "net.py, line 3" },
      3,
      /python-build.*KeyError: 'w' \(net.py, line 3\)/,
    ],
    ["a Python that dies", undefined, 4, /python-died.*code 9.*the last words/],
  ])("tells of %s", async (_, result, exitCode, message) => {
    const answer = result === undefined ? { prints: "much\nthe last words", code: 9 } : { result };
    const outcome = await fromTorch(await fakePython(folder, [answer]));
    expect(outcome.exitCode).toBe(exitCode);
    expect(outcome.stderr).toMatch(message);
  });

  test("tells of a Python that is not there", async () => {
    const outcome = await fromTorch(at("no-python"));
    expect(outcome).toMatchObject({ exitCode: 4 });
    expect(outcome.stderr).toMatch(/environment\/python\].*EFQAT_PYTHON/);
  });
});

test.each([
  ["net.pt", /file of weights holds no network.*net.py:build/],
  ["net.py", /function that builds the network is missing.*net.py:build/],
  ["nowhere.py:build", /no such Python file/],
])("from-torch %s is told for what it is, without Python", async (source, message) => {
  const outcome = await runCli(["from-torch", source, "--python", at("none"), "--out", at("net.onnx")]);
  expect([2, 3]).toContain(outcome.exitCode);
  expect(outcome.stderr).toMatch(message);
});

test.each(["3x0", "x=1x3:float31", "axb"])("--input %s is refused with an example", async (input) => {
  const outcome = await runCli(["from-torch", `${net}:build`, "--input", input, "--out", at("net.onnx")]);
  expect(outcome).toMatchObject({ exitCode: 2 });
  expect(outcome.stderr).toContain("1x3x224x224");
});

describe.skipIf(process.platform === "win32")("efqat from-hf", () => {
  test("names what its data are to be read with, and hands that on", async () => {
    await mkdir(at("bert"));
    for (const name of ["config.json", "tokenizer.json"]) await writeFile(join(at("bert"), name), "{}");
    const python = await fakePython(folder, [
      {
        result: { ...exported("dynamo-open"), architecture: "BertModel" } as PythonResult,
        model: scaled(2),
        ...references,
      },
    ]);
    const outcome = await runCli([
      ...["from-hf", at("bert"), "--python", python, "--out", at("net.onnx"), "--json", at("report.json")],
      ...["--", "quantize", "--data", at("texts.txt"), "--out", at("q.onnx")],
    ]);
    const { imported } = readReport();
    expect(imported?.suggested["tokenizer"]).toBe(join(at("bert"), "tokenizer.json"));
    expect(imported?.next).toContain(`--tokenizer ${join(at("bert"), "tokenizer.json")}`);
    expect(imported?.architecture).toBe("BertModel");
    // The next command ran: it misses the texts.
    expect(outcome.stderr).toMatch(/Error.*texts\.txt/);
  });

  test.each([
    ["google/tiny-bert", /hf download google\/tiny-bert --local-dir tiny-bert/],
    ["empty", /holds no config.json/],
  ])("of %s says what is missing", async (name, message) => {
    await mkdir(at("empty"));
    const source = name === "empty" ? at(name) : name;
    const outcome = await runCli(["from-hf", source, "--out", at("net.onnx")]);
    expect(outcome).toMatchObject({ exitCode: 3 });
    expect(outcome.stderr).toMatch(message);
  });
});
