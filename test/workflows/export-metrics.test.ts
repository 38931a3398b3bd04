import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { randomStream } from "../../src/data/random.ts";
import {
  buildArtifact,
  exportArtifact,
  type ExportRequest,
  type Report,
  trainArtifact,
} from "../../src/index.ts";
import { encodeModel } from "../../src/onnx/index.ts";
import { floats, ints } from "../../src/tensor/tensor.ts";
import { catchUserError } from "../support/catch-error.ts";
import { writeNpz } from "../support/write-numpy.ts";
import { tinyModel } from "../training/tiny-network.ts";

const folder = mkdtempSync(join(tmpdir(), "efqat-export-metrics-"));
const at = (name: string): string => join(folder, name);
const artifact = at("artifact");
const samples = 96;

beforeAll(async () => {
  writeFileSync(at("model.onnx"), encodeModel(tinyModel()));
  writeFileSync(at("metric.mjs"), `throw new Error("nobody named this program")`);
  const random = randomStream(4);
  const values = (count: number): number[] => Array.from({ length: count }, random);
  const x = floats(values(samples * 64), [samples, 1, 8, 8]);
  const kinds = ints(
    values(samples).map((value) => Math.floor(3 * value)),
    [samples],
  );
  const wanted = floats(values(samples * 3), [samples, 3]);
  await writeNpz(at("data.npz"), { x, kinds, wanted });
  await writeNpz(at("some.npz"), { x, wanted });
  const build = { model: at("model.onnx"), data: at("data.npz"), target: "ort-cpu-no-vnni" as const };
  await buildArtifact({ ...build, out: artifact, batch: 16 });
  await trainArtifact({
    artifact,
    data: at("data.npz"),
    metric: "top1@kinds,mse@wanted",
    val: 16,
    epochs: 0.5,
  });
}, 60_000);

afterAll(() => rmSync(folder, { recursive: true }));

const exported = (given: Partial<ExportRequest> = {}): Promise<Report> =>
  exportArtifact({ artifact, data: at("data.npz"), out: at("out.onnx"), ...given });

const namesOf = ({ judging }: Report): string[] => judging?.metrics?.map(({ name }) => name) ?? [];

test("what the run was judged by judges its export, and --metric chooses otherwise", async () => {
  const report = await exported();
  expect(namesOf(report)).toEqual(["top1@kinds", "mse@wanted"]);
  for (const { metrics = [] } of report.scores ?? [])
    expect(metrics.map(({ value }) => Number.isFinite(value))).toEqual([true, true]);
  expect(namesOf(await exported({ metric: "cosine" }))).toEqual(["cosine"]);
});

test("metrics of the run that other data cannot be judged by are warned of", async () => {
  const report = await exported({ data: at("some.npz") });
  expect(namesOf(report)).toEqual(["mse@wanted"]);
  expect(report.warnings.join()).toMatch(/judged by the metric top1@kinds.*no array "kinds".*--metric/);
  const error = await catchUserError(() => exported({ data: at("some.npz"), metric: "top1@kinds" }));
  expect(error.toParagraph()).toMatch(/no array "kinds"/);
});

test("a folder names no program that is run", async () => {
  const file = join(artifact, "run/metrics.json");
  const kept = readFileSync(file);
  writeFileSync(file, JSON.stringify({ metrics: [at("metric.mjs"), "mse"] }));
  const report = await exported();
  expect(namesOf(report)).toEqual(["mse"]);
  expect(report.warnings.join()).toMatch(/metric\.mjs.*it is a file/);
  writeFileSync(file, "{}");
  expect((await catchUserError(() => exported())).toParagraph()).toMatch(/metrics\.json/);
  writeFileSync(file, kept);
});

test("what is read to judge is never written to", async () => {
  writeFileSync(at("letters.txt"), "a\nb\n");
  const error = await catchUserError(() =>
    exported({ metric: "cosine", characters: at("letters.txt"), out: at("letters.txt") }),
  );
  expect(error.toParagraph()).toMatch(/the characters/);
  const state = join(artifact, "run/metrics.json");
  const other = await catchUserError(() => exported({ out: state }));
  expect(other.toParagraph()).toMatch(/the trained state/);
  expect(existsSync(state)).toBe(true);
});

test("a run that starts over without metrics has none", async () => {
  await trainArtifact({ artifact, data: at("data.npz"), val: 16, epochs: 0.5, restart: true });
  expect(namesOf(await exported())).toEqual([]);
}, 30_000);
