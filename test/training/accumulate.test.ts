import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { silentLogger } from "../../src/log.ts";
import { tensorOf, viewAs } from "../../src/tensor/tensor.ts";
import { type BuildArtifactOptions, writeArtifact } from "../../src/training/artifact.ts";
import { parseManifest } from "../../src/training/artifact/manifest.ts";
import { loadSafetensors } from "../../src/training/checkpoint/files.ts";
import { stateTensor, type TrainingState } from "../../src/training/state.ts";
import { defaultTrainOptions, train, type TrainOptions } from "../../src/training/train.ts";
import { meanOutputs } from "../../src/training/sessions/mean-outputs.ts";
import { runTraining } from "../../src/training/trainer/run-training.ts";
import { tinyArtifact, tinyData } from "./tiny-network.ts";

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "accumulate-"));
  await write("whole", { batch: 32 });
  await write("parts", { batch: 32, microBatch: 8 });
});
afterAll(async () => rm(directory, { recursive: true, force: true }));

async function write(name: string, options: Partial<BuildArtifactOptions>): Promise<void> {
  const artifact = await tinyArtifact({ wbits: 4, optimizer: { weightRate: 0.05 }, ...options });
  await writeArtifact(artifact, join(directory, name));
}

const freezing = { ...defaultTrainOptions.freezing, refresh: 128 };
const options: TrainOptions = {
  ...defaultTrainOptions,
  maxSteps: 10,
  threads: 1,
  val: 48,
  evalEvery: 5,
  freezing,
};

async function trainedState(name: string): Promise<{ state: TrainingState; losses: number[] }> {
  const job = { artifact: join(directory, name), data: tinyData, options, resume: false };
  const runDirectory = join(directory, `${name}-run`);
  const { history } = await runTraining(
    { ...job, runDirectory },
    { logger: silentLogger, signal: new AbortController().signal, progress: () => undefined },
  );
  expect([history.totalSteps, history.refreshes.map(({ step }) => step)]).toEqual([10, [0, 4, 8]]);
  const { tensors } = await loadSafetensors(join(runDirectory, "checkpoint.safetensors"));
  return { state: tensors, losses: history.loss };
}

test("four runs of 8 samples make the step that one run of 32 makes", async () => {
  const whole = await trainedState("whole");
  const parts = await trainedState("parts");
  // Sums in another order differ in their last digits, which training then multiplies.
  whole.losses.forEach((loss, step) =>
    expect(Math.abs(loss - (parts.losses[step] ?? NaN))).toBeLessThan(step < 5 ? 1e-6 : 5e-5),
  );
  expect([...parts.state.keys()].sort()).toEqual([...whole.state.keys()].sort());
  for (const [name, tensor] of whole.state) {
    const other = stateTensor(parts.state, name);
    if (tensor.dtype !== "float32") {
      expect([name, Buffer.from(other.bytes).equals(Buffer.from(tensor.bytes))]).toEqual([name, true]);
      continue;
    }
    const values = viewAs(tensor, "float32");
    const size = Math.hypot(...values);
    const gap = Math.hypot(...viewAs(other, "float32").map((value, at) => value - (values[at] as number)));
    expect([name, gap <= 5e-3 * size]).toEqual([name, true]);
  }
});

test("an interrupted run resumes to the same bytes", async () => {
  const artifact = join(directory, "parts");
  await train(artifact, tinyData, options, { runDirectory: join(directory, "uninterrupted") });
  const controller = new AbortController();
  const runDirectory = join(directory, "interrupted");
  const stopped = train(artifact, tinyData, options, {
    runDirectory,
    signal: controller.signal,
    onProgress: ({ step }) => {
      if (step >= 3) controller.abort();
    },
  });
  await expect(stopped).rejects.toMatchObject({ code: "interrupted/training" });
  await train(artifact, tinyData, options, { runDirectory, resume: true });
  for (const file of ["checkpoint.safetensors", "best.safetensors"]) {
    const [whole, parts] = await Promise.all(
      ["uninterrupted", "interrupted"].map((name) => readFile(join(directory, name, file))),
    );
    expect(whole?.equals(parts as Buffer)).toBe(true);
  }
});

test("the mean of outputs is taken in the first run's tensors, and no run follows an infinite loss", async () => {
  const made: Float32Array[] = [];
  const losses = [1, 2, Infinity, 4];
  const graph = {
    inputs: [],
    run: () => {
      const values = Float32Array.of(losses[made.length] as number);
      made.push(values);
      return Promise.resolve({ loss: tensorOf("float32", [1], values) });
    },
  };
  const { loss } = await meanOutputs(graph, {}, [{}, {}]);
  expect([viewAs(loss as never, "float32")[0], made[0]?.[0]]).toEqual([1.5, 1.5]);
  await meanOutputs(graph, {}, [{}, {}]);
  expect(made).toHaveLength(3);
});

test("a micro-batch divides the batch; older manifests are read: one run per step, former names", async () => {
  for (const microBatch of [5, 0, 2.5, 64])
    await expect(tinyArtifact({ batch: 32, microBatch })).rejects.toMatchObject({
      code: "usage/micro-batch",
    });
  const text = await readFile(join(directory, "parts", "manifest.json"), "utf8");
  const manifest = JSON.parse(text) as Record<string, unknown>;
  expect([manifest["batch"], manifest["accumulate"]]).toEqual([8, 4]);
  delete manifest["accumulate"];
  expect(parseManifest(JSON.stringify(manifest), "manifest.json").accumulate).toBe(1);
  delete manifest["algorithmsByTrial"];
  const older = { ...manifest, formsByTrial: { question: "answer" } };
  expect(parseManifest(JSON.stringify(older), "").algorithmsByTrial).toEqual({ question: "answer" });
  // Each weight is listed once, and the plan names it; older manifests have it there a second time.
  const { quantization } = parseManifest(text, "");
  expect((manifest["quantization"] as typeof quantization).weights).toEqual(
    quantization.weights.map(({ name }) => name),
  );
  expect(quantization.weights[0]).toMatchObject({ axis: 0, bits: 4, op: expect.any(String) as string });
  expect(parseManifest(JSON.stringify({ ...manifest, quantization }), "").quantization).toEqual(quantization);
});
