import { join } from "node:path";
import { expect, test } from "vitest";
import { silentLogger } from "../../src/log.ts";
import { withTemporaryDirectory } from "../../src/runtime/temporary-directory.ts";
import { type Artifact, writeArtifact } from "../../src/training/artifact.ts";
import { measureMemory, type MeasuredMemory } from "../../src/training/measure-memory.ts";
import { trainInChild } from "../../src/training/process/child-process.ts";
import { defaultTrainOptions } from "../../src/training/train-options.ts";
import { tinyArtifact, tinyData } from "./tiny-network.ts";

const options = { ...defaultTrainOptions, threads: 1 };
const tried = (artifact: Artifact, limit = Infinity): Promise<MeasuredMemory> =>
  measureMemory(artifact, { data: tinyData, options }, limit);

const bytesOf = (measured: MeasuredMemory): number => (measured.fits ? measured.bytes : Infinity);

/** Peak of a whole run's process. */
const trained = (artifact: Artifact): Promise<number> =>
  withTemporaryDirectory(async (directory) => {
    await writeArtifact(artifact, directory);
    const job = { artifact: directory, data: tinyData, runDirectory: join(directory, "run"), resume: false };
    const run = { ...options, epochs: 100, evalEvery: 50, val: 16 };
    const hooks = { logger: silentLogger, progress: () => undefined };
    return (await trainInChild({ ...job, options: run }, hooks)).peakBytes;
  });

test("what a trial of two steps takes is what a run takes", async () => {
  const artifact = await tinyArtifact({ batch: 128 });
  const bytes = bytesOf(await tried(artifact));
  const share = bytes / (await trained(artifact));
  expect(share).toBeGreaterThan(0.85);
  expect(share).toBeLessThan(1.15);
});

test("what trains in parts takes less, and what goes beyond the limit is ended", async () => {
  const whole = bytesOf(await tried(await tinyArtifact({ batch: 448 })));
  const parts = bytesOf(await tried(await tinyArtifact({ batch: 448, microBatch: 14 })));
  expect(parts).toBeLessThan(whole);
  expect(await tried(await tinyArtifact({ batch: 448 }), 60e6)).toEqual({ fits: false });
});

test("rows chosen by what they cost are chosen without measuring it", async () => {
  const artifact = await tinyArtifact({ batch: 64, freezing: { mode: "cost", importance: "fisher" } });
  const freezing = { ...options.freezing, mode: "cost" as const, importance: "fisher" as const };
  const measured = await measureMemory(
    artifact,
    { data: tinyData, options: { ...options, freezing } },
    Infinity,
  );
  expect(measured.fits).toBe(true);
});
