import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { DataSpec } from "../../src/data/spec.ts";
import { silentLogger } from "../../src/log.ts";
import { viewAs } from "../../src/tensor/tensor.ts";
import { type Artifact, buildArtifact, writeArtifact } from "../../src/training/artifact.ts";
import { trainedInputs } from "../../src/training/artifact/train-from.ts";
import { loadSafetensors } from "../../src/training/checkpoint/files.ts";
import { flopCosts } from "../../src/training/costs/flop-costs.ts";
import { rowSize } from "../../src/training/freezing/rows.ts";
import { stateTensor, type TrainingState } from "../../src/training/state.ts";
import { defaultTrainOptions, train, type TrainOptions } from "../../src/training/train.ts";
import type { RunOutcome } from "../../src/training/trainer/job.ts";
import { runTraining } from "../../src/training/trainer/run-training.ts";
import { shareOf, threadsOf } from "../../src/training/trainer/share-runs.ts";
import { startWorkers } from "../../src/training/workers/worker-group.ts";
import { processesOf, tellsProcessTrees } from "../support/process-tree.ts";
import { fashionMnist, quantizedNetwork } from "./network-artifact.ts";
import { tinyArtifact, tinyData, tinyMeasure } from "./tiny-network.ts";

let directory: string;
const artifacts = new Map<string, Artifact>();
const place = (name: string): string => join(directory, name);
const rates = { weightRate: 0.05, parameterRate: 0.05 };

async function write(name: string, artifact: Artifact): Promise<void> {
  artifacts.set(name, artifact);
  await writeArtifact(artifact, place(name));
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "workers-"));
  const settings = { batch: 32, microBatch: 16, optimizer: rates, wbits: 4 } as const;
  await write("sgd", await tinyArtifact(settings));
  await write("quarters", await tinyArtifact({ ...settings, microBatch: 8 }));
  await write("adamw", await tinyArtifact({ ...settings, optimizer: { ...rates, kind: "adamw" } }));
  const integer = { forward: ["integer"], backward: ["integer"], trials: { measure: tinyMeasure } } as const;
  await write("integer", await tinyArtifact({ ...settings, wbits: 8, ...integer }));
  const network = await quantizedNetwork({ network: "resnet20", bits: "w4a8" });
  const source = { file: "resnet20.onnx", sha256: "0".repeat(64) };
  const loss = { kind: "auto", hasLabels: true } as const;
  await write("resnet20", await buildArtifact({ ...network, batch: 16, microBatch: 8, loss, source }));
}, 120_000);
afterAll(async () => rm(directory, { recursive: true, force: true }));

const freezing = { ...defaultTrainOptions.freezing, refresh: 128 };

interface Trained {
  outcome: RunOutcome;
  runDirectory: string;
  state: TrainingState;
}

interface Course extends Partial<TrainOptions> {
  data?: DataSpec;
  /** The run to go on with. */
  from?: string;
  onStep?: (step: number, stop: () => void) => void;
}

async function trained(
  artifact: string,
  workers: number,
  { data = tinyData, from, onStep, ...changes }: Course = {},
): Promise<Trained> {
  const runDirectory = from ?? (await mkdtemp(place("run-")));
  const usual = { maxSteps: 10, threads: 1, val: 48, evalEvery: 5, freezing };
  const options = { ...defaultTrainOptions, ...usual, ...changes, workers };
  const controller = new AbortController();
  const outcome = await runTraining(
    { artifact: place(artifact), data, options, runDirectory, resume: from !== undefined },
    {
      logger: silentLogger,
      signal: controller.signal,
      progress: ({ step }) => onStep?.(step, () => controller.abort()),
      measure: () => {
        const { trainingModel, manifest } = artifacts.get(artifact) as Artifact;
        return Promise.resolve(flopCosts(trainingModel.graph, manifest));
      },
    },
    startWorkers,
  );
  const { tensors } = await loadSafetensors(join(runDirectory, "checkpoint.safetensors"));
  return { outcome, runDirectory, state: tensors };
}

/** What a run leaves: codes, scales, latents, momenta, what gradients told, losses and metrics. */
async function expectSame(one: Trained, other: Trained): Promise<void> {
  expect(other.outcome.history).toEqual(one.outcome.history);
  for (const file of ["checkpoint.safetensors", "best.safetensors"]) {
    const [a, b] = await Promise.all(
      [one, other].map(({ runDirectory }) => readFile(join(runDirectory, file))),
    );
    expect([file, a?.equals(b as Buffer)]).toEqual([file, true]);
  }
}

const changedCodes = (artifact: string, { state }: Trained): number => {
  const { manifest, checkpoint } = artifacts.get(artifact) as Artifact;
  return manifest.weights.reduce((sum, { codes }) => {
    const before = viewAs(stateTensor(checkpoint, codes), "int8");
    return sum + viewAs(stateTensor(state, codes), "int8").filter((code, at) => code !== before[at]).length;
  }, 0);
};

describe("two workers with a run of the training graph each leave what one with both leaves, byte for byte", () => {
  const cases: [string, string, Course][] = [
    ["SGD with momentum, rows chosen by magnitude", "sgd", {}],
    [
      "AdamW, over the network by what gradients told",
      "adamw",
      { freezing: { ...freezing, mode: "cwpn", importance: "fisher" } },
    ],
    [
      "by what rounding adds, all rows",
      "sgd",
      { freezing: { ...freezing, ratio: 1, importance: "error-energy" } },
    ],
    [
      "forward and backward in integers",
      "integer",
      { maxSteps: 14, freezing: { ...freezing, ratio: 0.5, refresh: 320 } },
    ],
    [
      "the backward ends early",
      "sgd",
      { freezing: { ...freezing, mode: "cost", budget: 0.4, importance: "fisher" } },
    ],
    [
      "ResNet-20",
      "resnet20",
      {
        data: fashionMnist,
        maxSteps: 3,
        epochs: 0.01,
        val: 16,
        evalEvery: 3,
        freezing: { ...freezing, refresh: 32 },
      },
    ],
  ];
  test.each(cases)("%s", async (_, artifact, course) => {
    const one = await trained(artifact, 1, course);
    expect(one.outcome.history.refreshes.length).toBeGreaterThan(1);
    expect(changedCodes(artifact, one)).toBeGreaterThan(0);
    await expectSame(one, await trained(artifact, 2, course));
  });
});

describe("where workers add runs up before their sums are added", () => {
  test("the result is the same for the same number of them, and in another order of sums within rounding", async () => {
    const one = await trained("quarters", 1);
    const two = await trained("quarters", 2);
    await expectSame(two, await trained("quarters", 2));
    expect(two.outcome.history.loss).not.toEqual(one.outcome.history.loss);
    two.outcome.history.loss.forEach((loss, step) =>
      expect(Math.abs(loss - (one.outcome.history.loss[step] as number))).toBeLessThan(2e-7),
    );
    for (const [name, tensor] of one.state) {
      const other = stateTensor(two.state, name);
      if (tensor.dtype !== "float32") {
        expect([name, Buffer.from(other.bytes).equals(tensor.bytes)]).toEqual([name, true]);
        continue;
      }
      const values = viewAs(tensor, "float32");
      const gap = Math.hypot(...viewAs(other, "float32").map((value, at) => value - (values[at] as number)));
      expect([name, gap <= 1e-6 * Math.hypot(...values)]).toEqual([name, true]);
    }
  });

  test("of four runs three workers do two, one and one, which is the order of one process", async () => {
    expect([0, 1, 2].map((worker) => shareOf(4, 3, worker))).toEqual([
      { first: 0, count: 2 },
      { first: 2, count: 1 },
      { first: 3, count: 1 },
    ]);
    await expectSame(await trained("quarters", 1), await trained("quarters", 3));
  });
});

test.each([
  ["sgd", [2, 1]],
  ["sgd", [1, 2]],
  ["integer", [2, 1]],
  ["integer", [1, 2]],
] as const)(
  "%s: a run that was stopped goes on with other workers, %j, to the same bytes",
  async (artifact, [first, then]) => {
    const course = { freezing: { ...freezing, ratio: 0.5, refresh: 320 }, maxSteps: 13 };
    const whole = await trained(artifact, 2, course);
    // Between two choices of rows, from where the backward weights are older than the codes.
    const stopped = await trained(artifact, first, {
      ...course,
      onStep: (step, stop) => (step === 6 ? stop() : undefined),
    });
    expect([stopped.outcome.completed, stopped.outcome.history.steps]).toEqual([false, 6]);
    await expectSame(whole, await trained(artifact, then, { ...course, from: stopped.runDirectory }));
  },
);

test("what crosses between workers is the gradients and the new codes of the rows that train, and what always does", async () => {
  const { manifest, checkpoint } = artifacts.get("resnet20") as Artifact;
  const always = trainedInputs(manifest).reduce(
    (sum, { name }) => sum + stateTensor(checkpoint, name).bytes.byteLength,
    0,
  );
  const bytes: number[] = [];
  for (const ratio of [0, 0.05, 0.25, 1]) {
    const course = { data: fashionMnist, maxSteps: 2, epochs: 0.01, val: 16, evalEvery: 2 };
    const { outcome, state } = await trained("resnet20", 2, { ...course, freezing: { ...freezing, ratio } });
    const elements = manifest.weights.reduce((sum, { rows, shape, axis }) => {
      const count = viewAs(stateTensor(state, rows), "int64").length;
      return sum + count * rowSize(shape, axis);
    }, 0);
    const { sentPerStep, receivedPerStep, sentBeside } = outcome.workers;
    // A frame tells the lengths of its parts, of which there are as many whatever trains.
    const [received, sent] = [receivedPerStep - 4 * elements - always, sentPerStep - elements - always];
    expect(received).toBeGreaterThan(0);
    expect(received).toBeLessThan(1000);
    expect(sent).toBeGreaterThan(0);
    expect(sent).toBeLessThan(1000);
    // Once all codes, a byte each, and scales.
    const codes = manifest.weights.reduce(
      (sum, each) => sum + stateTensor(state, each.codes).bytes.byteLength,
      0,
    );
    expect(sentBeside).toBeGreaterThan(codes);
    expect(sentBeside).toBeLessThan(1.2 * codes);
    bytes.push(receivedPerStep + sentPerStep);
  }
  const [none, least, less, all] = bytes as [number, number, number, number];
  expect(none).toBeLessThan(0.02 * all);
  expect(least).toBeLessThan(0.07 * all);
  expect(less).toBeLessThan(0.27 * all);
});

const workersOf = (root?: number): number[] => processesOf("workers/worker.", root);
const kill = (pid: number | undefined): boolean => process.kill(pid as number, "SIGKILL");

/** Waits until no worker is left of those that were there. */
async function untilGone(pids: readonly number[], seconds: number): Promise<void> {
  const gone = (): boolean => pids.every((pid) => processesOf("workers/worker.", pid).length === 0);
  for (const end = Date.now() + 1000 * seconds; !gone() && Date.now() < end;)
    await new Promise((resume) => setTimeout(resume, 20));
  expect(gone()).toBe(true);
}

describe.runIf(tellsProcessTrees)("processes (needs /proc)", () => {
  test("a worker that dies is named, nothing is left running, and the run goes on where it was", async () => {
    const runDirectory = await mkdtemp(place("lost-"));
    const options = { ...defaultTrainOptions, maxSteps: 10, threads: 1, val: 48, evalEvery: 5, freezing };
    const job = { artifact: place("quarters"), data: tinyData, runDirectory, resume: false };
    const lost = runTraining(
      { ...job, options: { ...options, workers: 3 } },
      {
        logger: silentLogger,
        signal: new AbortController().signal,
        progress: ({ step }) => (step === 7 ? kill(workersOf()[1]) : undefined),
      },
      startWorkers,
    );
    await expect(lost).rejects.toMatchObject({
      code: "environment/worker",
      message: expect.stringMatching(
        /^Worker [23] of 3 \(process \d+\) ended by signal SIGKILL before training did/,
      ) as string,
      hint: expect.stringContaining("--resume") as string,
    });
    expect(workersOf()).toEqual([]);
    const { metadata } = await loadSafetensors(join(runDirectory, "checkpoint.safetensors"));
    const { history } = JSON.parse(metadata["progress"] ?? "") as { history: { steps: number } };
    expect(history.steps).toBe(7);
    await expectSame(await trained("quarters", 1), await trained("quarters", 1, { from: runDirectory }));
  });

  test("what one worker finds wrong with the data comes back as it was", async () => {
    const options = { ...defaultTrainOptions, workers: 2, threads: 1, val: 48 };
    const nowhere = runTraining(
      {
        artifact: place("sgd"),
        data: { path: place("gone.npz") },
        options,
        runDirectory: place("gone"),
        resume: false,
      },
      { logger: silentLogger, signal: new AbortController().signal, progress: () => undefined },
      startWorkers,
    );
    await expect(nowhere).rejects.toMatchObject({ code: "data/unreadable" });
    expect(workersOf()).toEqual([]);
  });

  const long: Partial<TrainOptions> = { epochs: 500, workers: 2, threads: 2, val: 48, freezing };

  test("a run that is stopped leaves a checkpoint and no process", async () => {
    const controller = new AbortController();
    let seen: number[] = [];
    const stopped = train(place("sgd"), tinyData, long, {
      runDirectory: place("stopped"),
      signal: controller.signal,
      onProgress: ({ step }) => {
        if (step < 5) return;
        seen = workersOf();
        controller.abort();
      },
    });
    await expect(stopped).rejects.toMatchObject({ code: "interrupted/training" });
    expect(seen).toHaveLength(1);
    await untilGone(seen, 0);
  });

  test("where the process that trains is killed, its workers end", async () => {
    let seen: number[] = [];
    const killed = train(place("sgd"), tinyData, long, {
      runDirectory: place("killed"),
      onProgress: ({ step }) => {
        if (step < 5 || seen.length > 0) return;
        seen = workersOf();
        kill(processesOf("process/child.")[0]);
      },
    });
    await expect(killed).rejects.toMatchObject({ code: "environment/training-process" });
    expect(seen).toHaveLength(1);
    await untilGone(seen, 2);
  });
});

test("more workers than a step has runs are refused, and threads are divided", async () => {
  for (const [workers, where] of [
    [3, "--workers"],
    [0, "--workers"],
  ] as const)
    await expect(trained("sgd", workers)).rejects.toMatchObject({ kind: "usage", where });
  await expect(trained("sgd", 3)).rejects.toThrow(
    "3 workers cannot share a step, which has 2 runs of the training graph on 16 samples",
  );
  expect(threadsOf({ workers: 1, threads: null })).toBe(null);
  expect([5, 2, 1].map((threads) => threadsOf({ workers: 2, threads }))).toEqual([2, 1, 1]);
});
