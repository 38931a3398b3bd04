import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openDataset } from "../../src/data/open-dataset.ts";
import type { Session } from "../../src/runtime/session.ts";
import { type Tensor, viewAs } from "../../src/tensor/tensor.ts";
import { type Artifact, writeArtifact } from "../../src/training/artifact.ts";
import { loadSafetensors, saveSafetensors } from "../../src/training/checkpoint/files.ts";
import { copyState, stateTensor } from "../../src/training/state.ts";
import { closeGraphs, openGraphs } from "../../src/training/sessions/graphs.ts";
import { Stepper } from "../../src/training/trainer/step.ts";
import { targetsOf } from "../../src/training/sessions/targets.ts";
import { requirePython, runPython } from "../support/python.ts";
import { tinyMeasure, tinyArtifact, tinyData } from "./tiny-network.ts";

const script = "test/training/fixtures/run_artifact.py";
let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "python-artifact-"));
});
afterAll(async () => rm(directory, { recursive: true, force: true }));

/** One batch of 16 images with the artifact's targets. */
async function batchOf(artifact: Artifact, teacher: Session | undefined): Promise<Record<string, Tensor>> {
  const dataset = await openDataset(tinyData, [{ name: "x", dtype: "float32", shape: ["N", 1, 8, 8] }]);
  const batch = await dataset.read(Array.from({ length: 16 }, (_, index) => index));
  return { ...batch.inputs, ...(await targetsOf(artifact.manifest, batch, teacher)) };
}

function relativeGap(actual: Tensor, expected: Tensor): number {
  const [a, b] = [viewAs(actual, "float32"), viewAs(expected, "float32")];
  const norm = Math.hypot(...b);
  return Math.hypot(...a.map((value, index) => value - (b[index] as number))) / (norm === 0 ? 1 : norm);
}

test.for([
  { kind: "sgd", forward: "float", backward: "float" },
  { kind: "adamw", forward: "float", backward: "float" },
  { kind: "sgd", forward: "integer", backward: "float" },
  { kind: "sgd", forward: "integer", backward: "integer" },
] as const)(
  "Python's onnxruntime takes the same $kind steps with $forward forward and $backward backward from the manifest alone",
  async ({ kind, forward, backward }, context) => {
    const python = await requirePython(context, ["numpy", "onnxruntime"]);
    const artifact = await tinyArtifact({
      wbits: 4,
      forward: [forward],
      optimizer: { kind, weightRate: 0.02 },
      backward: [backward],
      trials: { measure: tinyMeasure },
    });
    expect(artifact.manifest.backward).toBe(backward);
    await writeArtifact(artifact, directory);
    const graphs = await openGraphs(directory, artifact.manifest, {
      provider: null,
      threads: 1,
      arena: true,
    });
    const data = await batchOf(artifact, graphs.teacher);
    const state = copyState(artifact.checkpoint);
    const stepper = new Stepper(artifact.manifest, graphs, {});
    const losses: number[] = [];
    for (let step = 0; step < 4; step++) losses.push((await stepper.run(state, [data], 1)).loss);
    await closeGraphs(graphs);

    await saveSafetensors(join(directory, "data.safetensors"), {
      tensors: new Map(Object.entries(data)),
      metadata: {},
    });
    const out = join(directory, "out.safetensors");
    await runPython(python, script, [directory, join(directory, "data.safetensors"), "4", out]);
    const { tensors } = await loadSafetensors(out);
    expect(losses[3]).toBeLessThan(losses[0] as number);
    viewAs(stateTensor(tensors, "losses"), "float32").forEach((loss, step) =>
      expect(Math.abs(loss - (losses[step] as number))).toBeLessThan(1e-5),
    );
    for (const [name, tensor] of state) {
      const python = stateTensor(tensors, name);
      if (tensor.dtype === "float32")
        expect([name, relativeGap(python, tensor) < 1e-4]).toEqual([name, true]);
      else expect([name, Buffer.from(python.bytes).equals(Buffer.from(tensor.bytes))]).toEqual([name, true]);
    }
    expect(stateTensor(tensors, "eval.scores").dims).toEqual([16, 3]);
  },
);
