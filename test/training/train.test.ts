import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { UserError } from "../../src/errors.ts";
import { silentLogger } from "../../src/log.ts";
import { type Tensor, viewAs } from "../../src/tensor/tensor.ts";
import { type Artifact, writeArtifact } from "../../src/training/artifact.ts";
import { forwardPositions, trainedInputs } from "../../src/training/artifact/train-from.ts";
import { loadSafetensors } from "../../src/training/checkpoint/files.ts";
import { stateTensor } from "../../src/training/state.ts";
import { defaultTrainOptions, loadTrained, train, type TrainOptions } from "../../src/training/train.ts";
import type { RunOutcome } from "../../src/training/trainer/job.ts";
import { flopCosts } from "../../src/training/costs/flop-costs.ts";
import { knownCosts } from "../../src/training/costs/measure.ts";
import { runTraining } from "../../src/training/trainer/run-training.ts";
import { tinyArtifact, tinyData, tinyMeasure } from "./tiny-network.ts";

let artifact: Artifact;
let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "train-"));
  artifact = await tinyArtifact({
    wbits: 4,
    optimizer: { weightRate: 0.05, parameterRate: 0.05 },
    loss: { kind: "cross-entropy", hasLabels: true },
  });
  await writeArtifact(artifact, join(directory, "artifact"));
});
afterAll(async () => rm(directory, { recursive: true, force: true }));

const run = (name: string): string => join(directory, name);
const freezing = { ...defaultTrainOptions.freezing, refresh: 128 };
const options: Partial<TrainOptions> = { maxSteps: 24, threads: 1, val: 48, evalEvery: 6, freezing };

/** A run in this process, which spares the start of a child. */
const runHere = (name: string, changes: Partial<TrainOptions>, resume = false): Promise<RunOutcome> =>
  runTraining(
    {
      artifact: run("artifact"),
      data: tinyData,
      options: { ...defaultTrainOptions, ...options, ...changes },
      runDirectory: run(name),
      resume,
    },
    { logger: silentLogger, signal: new AbortController().signal, progress: () => undefined },
  );

const same = (a: Tensor, b: Tensor): boolean => Buffer.from(a.bytes).equals(Buffer.from(b.bytes));

test("training improves on the held-out samples, and the run returns its best state", async () => {
  const result = await train(
    run("artifact"),
    tinyData,
    {
      ...options,
      maxSteps: 78,
      epochs: 3,
      hyper: { "lr.weights": 0.3, "lr.parameters": 0.5, clip_norm: 10 },
    },
    { runDirectory: run("learn") },
  );
  const { evaluations, bestStep, steps, totalSteps, loss, refreshes } = result.history;
  expect([steps, totalSteps, loss.length]).toEqual([78, 78, 78]);
  const best = evaluations.reduce((a, b) => (b.loss < a.loss ? b : a));
  expect(best.step).toBe(bestStep);
  expect(best.loss).toBeLessThan(0.7 * (evaluations[0]?.loss ?? 0));
  expect(refreshes.length).toBe(10);
  expect(refreshes.slice(1).some(({ started }) => started > 0)).toBe(true);
  expect(result.plan.weights).toHaveLength(4);
  expect(
    same(stateTensor(result.parameters, "stem.bias"), stateTensor(artifact.checkpoint, "stem.bias")),
  ).toBe(false);
  const scale = result.state.weights.get("point.weight")?.scale as Float32Array;
  expect([...scale]).not.toEqual([
    ...viewAs(stateTensor(artifact.checkpoint, "point.weight.scale"), "float32"),
  ]);
});

/** Rows of each weight whose codes differ between two states, and the rows that ever trained. */
async function movedRows(runDirectory: string): Promise<Map<string, Set<number>>> {
  const { tensors } = await loadSafetensors(join(runDirectory, "checkpoint.safetensors"));
  const moved = new Map<string, Set<number>>();
  for (const { name, codes, shape, axis } of artifact.manifest.weights) {
    const before = viewAs(stateTensor(artifact.checkpoint, codes), "int8");
    const after = viewAs(stateTensor(tensors, codes), "int8");
    const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
    const rows = new Set<number>();
    after.forEach((code, at) => {
      if (code !== before[at]) rows.add(Math.floor(at / inner) % (shape[axis] as number));
    });
    moved.set(name, rows);
  }
  return moved;
}

test.each(["cwpl", "cwpn", "lwpn", "cost"] as const)(
  "%s: codes of rows that never trained stay bit-identical",
  async (mode) => {
    const once = { ...freezing, mode, ratio: 0.4, budget: 0.7, refresh: 1e9 };
    await runHere(mode, { freezing: once });
    const { tensors } = await loadSafetensors(join(run(mode), "checkpoint.safetensors"));
    let moved = 0;
    for (const [name, rows] of await movedRows(run(mode))) {
      const trained = new Set(Array.from(viewAs(stateTensor(tensors, `${name}.rows`), "int64"), Number));
      expect([...rows].filter((row) => !trained.has(row))).toEqual([]);
      moved += rows.size;
    }
    expect(moved).toBeGreaterThan(0);
  },
);

test("cost: nothing in front of the first layer that trains changes, and a resumed run ends as an uninterrupted one", async () => {
  const { manifest, trainingModel, checkpoint } = artifact;
  const cost = { ...freezing, mode: "cost", budget: 0.2, importance: "fisher" } as const;
  const cache = run("cost-cache");
  // Operations in the place of times, so that the choice does not hang on what else the machine does.
  const { provider, threads, arena } = { ...defaultTrainOptions, ...options };
  await knownCosts(
    { artifact: run("artifact"), provider, threads, arena },
    cache,
    () => Promise.resolve({}),
    () => Promise.resolve(flopCosts(trainingModel.graph, manifest)),
  );
  const { history } = await runHere("cost", { freezing: cost, cache });
  const { tensors } = await loadSafetensors(join(run("cost"), "checkpoint.safetensors"));
  const places = forwardPositions(trainingModel.graph, manifest);
  // The first choice after the last one that took in more layers: what was in front of all of them never moved.
  const firsts = history.refreshes.map(({ first }) => manifest.weights.find(({ name }) => name === first)!);
  const start = Math.min(...firsts.map(({ codes }) => places.get(codes)!));
  const still = [...places].filter(([, place]) => place < start).map(([name]) => name);
  expect(still.length).toBeGreaterThan(2);
  for (const name of still)
    expect(same(stateTensor(tensors, name), stateTensor(checkpoint, name))).toBe(true);
  const moved = trainedInputs(manifest).filter(({ name }) => places.get(name)! >= start);
  for (const { name } of moved)
    expect(same(stateTensor(tensors, name), stateTensor(checkpoint, name)), name).toBe(false);

  const changes = { freezing: cost, cache };
  const interrupted = new AbortController();
  const outcome = await runTraining(
    {
      artifact: run("artifact"),
      data: tinyData,
      runDirectory: run("cost-resumed"),
      resume: false,
      options: { ...defaultTrainOptions, ...options, ...changes },
    },
    {
      logger: silentLogger,
      signal: interrupted.signal,
      progress: ({ step }) => (step === 10 ? interrupted.abort() : undefined),
    },
  );
  expect(outcome.completed).toBe(false);
  await runHere("cost-resumed", changes, true);
  const resumed = await loadSafetensors(join(run("cost-resumed"), "checkpoint.safetensors"));
  for (const [name, tensor] of tensors)
    expect(same(stateTensor(resumed.tensors, name), tensor), name).toBe(true);
});

/** A signal that aborts when it is looked at for the `last` time. */
function abortAt(last: number): AbortSignal {
  const stop = new AbortController();
  let looks = 0;
  stop.signal.throwIfAborted = () => {
    if (++looks === last) stop.abort();
    AbortSignal.prototype.throwIfAborted.call(stop.signal);
  };
  return stop.signal;
}

test("a run that is stopped anywhere, also within a step or a look at held-out samples, goes on to the same bytes", async () => {
  const changes = {
    maxSteps: 12,
    freezing: { ...freezing, mode: "cwpn" } as const,
  };
  const job = (name: string, resume: boolean) => ({
    artifact: run("artifact"),
    data: tinyData,
    runDirectory: run(name),
    resume,
    options: { ...defaultTrainOptions, ...options, ...changes },
  });
  const hooks = { logger: silentLogger, progress: () => undefined };
  const whole = await runTraining(job("unstopped", false), { ...hooks, signal: abortAt(Infinity) });
  // At its start, in the first look, in the first choice of rows, in steps, and once more while it goes on.
  for (const looks of [3, 9, 14, 23]) {
    const name = `stopped-${looks}`;
    const stopped = await runTraining(job(name, false), { ...hooks, signal: abortAt(looks) });
    expect(stopped.completed, name).toBe(false);
    const again = await runTraining(job(name, true), { ...hooks, signal: abortAt(12) });
    const outcome = again.completed
      ? again
      : await runTraining(job(name, true), { ...hooks, signal: abortAt(Infinity) });
    expect(outcome.history, name).toEqual(whole.history);
    for (const file of ["checkpoint.safetensors", "best.safetensors"])
      expect(
        (await readFile(join(run(name), file))).equals(await readFile(join(run("unstopped"), file))),
      ).toBe(true);
  }
});

test("frozen codes survive several refreshes, checked at each of them", async () => {
  const directories: string[] = [];
  for (const maxSteps of [8, 16, 24]) {
    const name = `refresh-${maxSteps}`;
    directories.push(run(name));
    const schedule = { kind: "constant", warmup: 0, final: 1 } as const;
    await runHere(name, { schedule, maxSteps });
  }
  const states = [artifact.checkpoint];
  for (const each of directories)
    states.push((await loadSafetensors(join(each, "checkpoint.safetensors"))).tensors);
  const { history } = await loadTrained(run("artifact"), directories[2]);
  expect(history.refreshes.map(({ step }) => step)).toEqual([0, 8, 16]);
  for (const { codes, rows, shape, axis } of artifact.manifest.weights) {
    const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
    for (let segment = 1; segment < states.length; segment++) {
      const before = viewAs(stateTensor(states[segment - 1] as Map<string, Tensor>, codes), "int8");
      const end = states[segment] as Map<string, Tensor>;
      const trained = new Set(Array.from(viewAs(stateTensor(end, rows), "int64"), Number));
      viewAs(stateTensor(end, codes), "int8").forEach((code, at) => {
        const row = Math.floor(at / inner) % (shape[axis] as number);
        if (!trained.has(row)) expect(code).toBe(before[at]);
      });
    }
  }
});

test("at ratio 0 scales and biases train and no code moves; at 1 every weight moves", async () => {
  await runHere("none", { freezing: { ...freezing, ratio: 0 } });
  const { tensors } = await loadSafetensors(join(run("none"), "checkpoint.safetensors"));
  expect([...(await movedRows(run("none"))).values()].every((rows) => rows.size === 0)).toBe(true);
  for (const name of ["stem.weight.scale", "head.bias"])
    expect(same(stateTensor(tensors, name), stateTensor(artifact.checkpoint, name))).toBe(false);
  await runHere("all", { freezing: { ...freezing, ratio: 1 } });
  expect([...(await movedRows(run("all"))).values()].every((rows) => rows.size > 0)).toBe(true);
});

test("an interrupted and resumed run ends with the same bytes as an uninterrupted one", async () => {
  await train(run("artifact"), tinyData, options, { runDirectory: run("whole") });
  const controller = new AbortController();
  const stopped = train(run("artifact"), tinyData, options, {
    runDirectory: run("parts"),
    signal: controller.signal,
    onProgress: ({ step }) => {
      if (step >= 10) controller.abort();
    },
  });
  await expect(stopped).rejects.toMatchObject({ code: "interrupted/training", kind: "interrupted" });
  const { history } = await loadTrained(run("artifact"), run("parts"));
  expect(history.steps).toBeGreaterThanOrEqual(10);
  expect(history.steps).toBeLessThan(24);
  await train(run("artifact"), tinyData, options, { runDirectory: run("parts"), resume: true });
  for (const file of ["checkpoint.safetensors", "best.safetensors"]) {
    const [whole, parts] = [
      await readFile(join(run("whole"), file)),
      await readFile(join(run("parts"), file)),
    ];
    expect(whole.equals(parts)).toBe(true);
  }
});

test.each(["cwpl", "cwpn", "cost"] as const)(
  "%s with an integer backward: a run resumed between two choices of rows ends as an uninterrupted one",
  async (mode) => {
    const integer = await tinyArtifact({
      forward: ["integer"],
      backward: ["integer"],
      trials: { measure: tinyMeasure },
      loss: { kind: "cross-entropy", hasLabels: true },
      optimizer: { weightRate: 0.05, parameterRate: 0.05 },
    });
    expect(integer.manifest.backward).toBe("integer");
    await writeArtifact(integer, run(`integer-${mode}`));
    // Choices at steps 0 and 20: long enough to hold weights for; stopped at 24.
    const settings = { ...defaultTrainOptions, ...options, maxSteps: 27, cache: run("cache") };
    const job = (name: string, resume: boolean) => ({
      artifact: run(`integer-${mode}`),
      data: tinyData,
      runDirectory: run(name),
      resume,
      options: { ...settings, freezing: { ...freezing, mode, ratio: 0.5, budget: 0.8, refresh: 320 } },
    });
    const hooks = { logger: silentLogger, signal: new AbortController().signal, progress: () => undefined };
    await runTraining(job(`whole-${mode}`, false), hooks);
    const stop = new AbortController();
    const progress = ({ step }: { step: number }): void => (step === 24 ? stop.abort() : undefined);
    const outcome = await runTraining(job(`parts-${mode}`, false), {
      ...hooks,
      signal: stop.signal,
      progress,
    });
    expect(outcome.completed).toBe(false);
    await runTraining(job(`parts-${mode}`, true), hooks);
    const [whole, parts] = await Promise.all(
      ["whole", "parts"].map((name) => readFile(join(run(`${name}-${mode}`), "checkpoint.safetensors"))),
    );
    expect(whole?.equals(parts as Buffer)).toBe(true);
    const { tensors } = await loadSafetensors(join(run(`whole-${mode}`), "checkpoint.safetensors"));
    expect([...tensors.keys()].some((name) => name.startsWith("turned:"))).toBe(true);
  },
);

test("the seed decides the run", async () => {
  const states = [];
  for (const seed of [3, 3, 4]) {
    await runHere("seed", { seed, maxSteps: 6 });
    states.push(await readFile(join(run("seed"), "best.safetensors")));
  }
  expect(states[0]?.equals(states[1] as Buffer)).toBe(true);
  expect(states[0]?.equals(states[2] as Buffer)).toBe(false);
});

test("a run that diverges without a better state before is an error with a remedy", async () => {
  const hyper = { "lr.activation_scales": 1e4 };
  const schedule = { kind: "constant", warmup: 0, final: 1 } as const;
  const diverging = runHere("diverge", { hyper, schedule });
  await expect(diverging).rejects.toMatchObject({ code: "verification/diverged" });
});

test("resuming needs the checkpoint of the same run", async () => {
  await runHere("other", { maxSteps: 4 });
  await expect(runHere("other", {}, true)).rejects.toMatchObject({ code: "usage/resume" });
  await expect(runHere("missing", {}, true)).rejects.toMatchObject({ code: "model/checkpoint-missing" });
});

test("what was trained is only taken for the artifact that it was trained on", async () => {
  const rebuilt = await tinyArtifact({ loss: { kind: "cross-entropy", hasLabels: true } });
  await writeArtifact(rebuilt, run("rebuilt"));
  await expect(loadTrained(run("rebuilt"))).rejects.toMatchObject({ code: "model/untrained" });
  const brief = { ...options, maxSteps: 2 };
  await train(run("rebuilt"), tinyData, brief);
  expect((await loadTrained(run("rebuilt"))).history.steps).toBe(2);
  await writeArtifact(rebuilt, run("rebuilt"));
  expect((await loadTrained(run("rebuilt"))).history.steps).toBe(2);
  await writeArtifact(artifact, run("rebuilt"));
  await expect(loadTrained(run("rebuilt"))).rejects.toMatchObject({ code: "model/stale-run" });
});

test("errors of the child come back as they were", async () => {
  const nowhere = train(run("artifact"), { path: run("no-data.mjs") }, options);
  await expect(nowhere).rejects.toBeInstanceOf(UserError);
  await expect(train(run("artifact"), tinyData, { ...options, val: 470 })).rejects.toMatchObject({
    code: "data/too-small",
  });
  const ratio = { ...options, freezing: { ...freezing, ratio: 1.5 } };
  await expect(train(run("artifact"), tinyData, ratio)).rejects.toMatchObject({
    code: "usage/option",
    where: "--ratio",
  });
});

test("the parent's event loop keeps turning while the child trains", async () => {
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  await train(artifact, tinyData, { ...options, maxSteps: 12 });
  clearInterval(timer);
  expect(turns).toBeGreaterThan(20);
});
