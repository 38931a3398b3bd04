import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SeveralErrors, type UserError } from "../../src/errors.ts";
import { inspect, optimize, type OptimizeRequest, quantize } from "../../src/index.ts";
import { runCli } from "../cli/terminal.ts";
import { randomTensor } from "../support/random-tensor.ts";
import { writeNpz } from "../support/write-numpy.ts";

const needed = { model: "model.onnx", data: "samples.npz", out: "out.onnx" };
const model = "fixtures/resnet20/model.onnx";
let folder = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "efqat-library-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("options are typed by the table of the command line", () => {
  test("with values of their own types, alone or in sections", () => {
    const request: OptimizeRequest = {
      ...needed,
      data: { path: "images", mean: [0.5], std: 0.5, resize: [256, 320], labels: "none" },
      wbits: 4,
      memoryLimit: 2e9,
      inputShape: { x: [1, 3, 224, 224] },
      quantization: { abits: 8, excludeOps: ["Softmax"] },
      training: { epochs: 0.5, mode: "cost", budget: 0.5 },
      resume: true,
    };
    expect(request.wbits).toBe(4);
  });

  test("what is needed, known and allowed is checked by the compiler", () => {
    // @ts-expect-error: out is missing
    const missing: OptimizeRequest = { model: "model.onnx", data: "samples.npz" };
    // @ts-expect-error: there are no 5 bits
    const wrong: OptimizeRequest = { ...needed, wbits: 5 };
    // @ts-expect-error: a number is needed
    const text: OptimizeRequest = { ...needed, epochs: "two" };
    expect([missing, wrong, text]).toHaveLength(3);
  });
});

describe("wrong requests are the errors of the command line", () => {
  const cases: [name: string, request: unknown, args: string[]][] = [
    ["nothing", {}, ["optimize"]],
    ["an unknown option", { ...needed, epoch: 3 }, ["--epoch=3"]],
    ["a wrong choice", { ...needed, wbits: 5 }, ["--wbits=5"]],
    ["two problems", { ...needed, wbits: 5, epoch: 1 }, ["--wbits=5", "--epoch=1"]],
    ["a number out of range", { ...needed, ratio: 1.5 }, ["--ratio=1.5"]],
    ["what is no number", { ...needed, epochs: NaN }, ["--epochs=NaN"]],
    [
      "a micro-batch that does not divide",
      { ...needed, batch: 64, microBatch: 24 },
      ["--batch=64", "--micro-batch=24"],
    ],
    ["a wrong word of a list", { ...needed, augment: ["flip", "turn"] }, ["--augment=flip,turn"]],
  ];
  test.each(cases)("%s", async (name, request, args) => {
    const line =
      name === "nothing" ? args : ["optimize", needed.model, "--data=samples.npz", "--out=out.onnx", ...args];
    const { stderr } = await runCli(line);
    const error = await optimize(request as OptimizeRequest).catch((reason: unknown) => reason);
    const found = error instanceof SeveralErrors ? error.errors : [error as UserError];
    for (const each of found) expect(stderr).toContain(`[${each.code}]: ${each.toParagraph()}`);
  });

  test.each<[unknown, RegExp]>([
    [null, /options of optimize are null/],
    ["model.onnx", /options of optimize are string/],
    [{ ...needed, model: 3 }, /model is number, not a path/],
    [{ ...needed, epochs: () => 1 }, /--epochs is a function/],
    [{ ...needed, out: { path: "x" } }, /--out is an object/],
    [{ ...needed, training: 3 }, /"training" is a number/],
    [{ ...needed, data: { path: "x", constructor: 1 } }, /no option --constructor/],
  ])("%j", async (request, message) => {
    await expect(optimize(request as OptimizeRequest)).rejects.toMatchObject({
      name: "UserError",
      message: expect.stringMatching(message) as string,
    });
  });
});

test("inspect needs a model only", async () => {
  const { quantization } = await inspect({ model });
  expect(quantization?.wbits).toBe(8);
});

test("quantize works with defaults, tells of its progress, and writes what the command line writes", async () => {
  const stages = new Set<string>();
  const data = join(folder, "samples.npz");
  await writeNpz(data, { input: randomTensor([32, 1, 28, 28], 1) });
  const out = join(folder, "library.onnx");
  const report = await quantize(
    { model, data, out, labels: undefined, seed: 3 },
    { logger: { progress: (stage) => void stages.add(stage) } },
  );
  expect(report.output?.path).toBe(out);
  expect(stages.size).toBeGreaterThan(0);
  const command = join(folder, "command.onnx");
  const { exitCode } = await runCli(["quantize", model, "--data", data, "--seed", "3", "--out", command]);
  expect(exitCode).toBe(0);
  expect(readFileSync(out).equals(readFileSync(command))).toBe(true);
}, 60_000);

test("a signal ends a run, which leaves nothing", async () => {
  const out = join(folder, "aborted.onnx");
  const request = { model, data: "fixtures/fashion-mnist", out };
  await expect(optimize(request, { signal: AbortSignal.abort() })).rejects.toMatchObject({
    name: "AbortError",
  });
  expect(existsSync(out)).toBe(false);
  await expect(optimize(request, { signal: 3 as never })).rejects.toThrow(/no AbortSignal/);
});
