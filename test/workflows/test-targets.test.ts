import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { randomStream } from "../../src/data/random.ts";
import { optimize, quantize } from "../../src/index.ts";
import { encodeModel } from "../../src/onnx/index.ts";
import { withSession } from "../../src/runtime/open-model.ts";
import { floats, type Tensor, toNumbers } from "../../src/tensor/tensor.ts";
import { catchUserError } from "../support/catch-error.ts";
import { writeNpz } from "../support/write-numpy.ts";
import { tinyModel } from "../training/tiny-network.ts";

const folder = mkdtempSync(join(tmpdir(), "efqat-test-targets-"));
const at = (name: string): string => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true }));

const [training, tested] = [64, 24] as const;

/** The float model's scores of samples, and all of them by an offset. */
async function scoresOf(x: Tensor, offset: number): Promise<Tensor> {
  const outputs = await withSession(tinyModel(), {}, (session) => session.run({ x }));
  const values = toNumbers(outputs["scores"] as Tensor).map((value) => value + offset);
  return floats(values, [x.dims[0] ?? 0, 3]);
}

beforeAll(async () => {
  writeFileSync(at("model.onnx"), encodeModel(tinyModel()));
  const random = randomStream(9);
  const images = (count: number): Tensor =>
    floats(Array.from({ length: count * 64 }, random), [count, 1, 8, 8]);
  const [x, held] = [images(training), images(tested)];
  await writeNpz(at("train.npz"), { x, wanted: await scoresOf(x, 0) });
  await writeNpz(at("test.npz"), { x: held, wanted: await scoresOf(held, 1) });
  await writeNpz(at("bare.npz"), { x: held });
  await writeNpz(at("targets.npz"), { wanted: await scoresOf(held, 2) });
  await writeNpz(at("short.npz"), { wanted: floats([1, 2, 3], [1, 3]) });
  await writeNpz(at("wide.npz"), { wanted: floats(Array.from({ length: tested * 4 }, random), [tested, 4]) });
  await writeNpz(at("odd.npz"), {
    wanted: floats(
      Array.from({ length: tested * 3 }, (_, index) => (index === 5 ? NaN : 0)),
      [tested, 3],
    ),
  });
});

const request = () => ({
  model: at("model.onnx"),
  data: at("train.npz"),
  target: "ort-cpu-no-vnni" as const,
  metric: "mse@wanted",
  out: at("out.onnx"),
});

test("metrics compare the test data with --test-targets, with or without arrays of their own", async () => {
  const mseOf = async (test: string, testTargets?: string): Promise<number> => {
    const report = await quantize({ ...request(), test: at(test), testTargets });
    expect(report.judging?.use).toBe("test");
    return report.scores?.find(({ model }) => model === "float")?.metrics?.[0]?.value ?? NaN;
  };
  expect(await mseOf("test.npz")).toBeCloseTo(1, 4);
  expect(await mseOf("test.npz", at("targets.npz"))).toBeCloseTo(4, 4);
  expect(await mseOf("bare.npz", at("targets.npz"))).toBeCloseTo(4, 4);
}, 60_000);

test("optimize judges by them, and trains by --targets", async () => {
  const report = await optimize({
    ...request(),
    test: at("bare.npz"),
    testTargets: at("targets.npz"),
    loss: "mse@wanted",
    batch: 16,
    val: 16,
    epochs: 1,
  });
  const [float] = report.scores ?? [];
  expect(float).toMatchObject({ model: "float", samples: tested });
  expect(float?.metrics?.[0]?.value).toBeCloseTo(4, 4);
  expect(report.training?.validation[0]?.metric).toBeLessThan(0.5);
}, 60_000);

test.each([
  [{ test: "bare.npz" }, /no array "wanted"/],
  [{ test: "bare.npz", testTargets: "short.npz" }, /shape \[1, 3\], and there are 24 samples/],
  [{ test: "bare.npz", testTargets: "wide.npz" }, /\[1, 3\], and what it is compared with \[1, 4\]/],
  [{ test: "bare.npz", testTargets: "gone.npz" }, /gone\.npz/],
  [{ testTargets: "targets.npz" }, /no test data that these targets could be of.*--test/],
])("a mistake is told before anything is calibrated: %j", async (given, message) => {
  const stages: string[] = [];
  const logger = { progress: (stage: string) => void stages.push(stage) };
  const paths = Object.fromEntries(Object.entries(given).map(([name, file]) => [name, at(file)]));
  const error = await catchUserError(() => quantize({ ...request(), ...paths }, { logger }));
  expect(error.toParagraph()).toMatch(message);
  expect(stages.filter((stage) => /calibrat/.test(stage))).toEqual([]);
});

test("numbers that are none are told with the sample", async () => {
  const given = { test: at("bare.npz"), testTargets: at("odd.npz") };
  const error = await catchUserError(() => quantize({ ...request(), ...given }));
  expect(error.toParagraph()).toMatch(/Sample 1 holds NaN/);
});

test("the file of test targets is read, and so never written to", async () => {
  const before = readFileSync(at("targets.npz"));
  const given = { test: at("bare.npz"), testTargets: at("targets.npz"), out: at("targets.npz") };
  for (const command of [quantize, optimize]) {
    const error = await catchUserError(() => command({ ...request(), ...given }));
    expect(error.toParagraph()).toMatch(/the test targets/);
  }
  expect(readFileSync(at("targets.npz")).equals(before)).toBe(true);
});
