import { expect, test } from "vitest";
import { openDataset } from "../../src/data/open-dataset.ts";
import { withSession } from "../../src/runtime/open-model.ts";
import type { Model } from "../../src/ir/model.ts";
import { type Tensor, tensorOf } from "../../src/tensor/tensor.ts";
import { buildArtifact } from "../../src/training/artifact.ts";
import { bakeFrozen, frozenParts, trainedInputs } from "../../src/training/artifact/train-from.ts";
import { copyState, stateTensor, type TrainingState } from "../../src/training/state.ts";
import { targetsOf } from "../../src/training/sessions/targets.ts";
import { relativeError } from "../support/gradient-cases.ts";
import { fashionMnist, quantizedNetwork } from "./network-artifact.ts";

test.each(["float", "integer"] as const)(
  "a graph cut at a layer gives the gradients of the whole one, %s forward",
  async (forward) => {
    const { manifest, trainingModel, checkpoint } = await buildArtifact({
      ...(await quantizedNetwork({ network: "resnet20", bits: "w4a8" })),
      batch: 8,
      forward: [forward],
      loss: { kind: "cross-entropy", hasLabels: true },
      source: { file: "resnet20.onnx", sha256: "0".repeat(64) },
    });
    const [first, idle] = [manifest.weights[12]!, manifest.weights[15]!];
    const state: TrainingState = copyState(checkpoint);
    for (const { rows } of [...manifest.weights.slice(0, 12), idle])
      state.set(rows, tensorOf("int64", [0], new BigInt64Array(0)));
    const frozen = frozenParts(trainingModel.graph, manifest, state, first.name);
    const baked = bakeFrozen(trainingModel, manifest, state, frozen);

    expect(frozen.weights.size).toBe(13);
    expect(baked.graph.nodes.length).toBeLessThan(0.7 * trainingModel.graph.nodes.length);
    const inputs = baked.graph.inputs.map(({ name }) => name);
    expect(inputs).not.toContain(idle.codes);
    expect(inputs).toContain(idle.scale);
    expect(inputs).not.toContain(manifest.weights[3]!.scale);

    const dataset = await openDataset(
      fashionMnist,
      manifest.inputs.map(({ name, type, shape }) => ({ name, dtype: type, shape })),
    );
    const batch = await dataset.read(Array.from({ length: 8 }, (_, index) => index));
    const data = { ...batch.inputs, ...(await targetsOf(manifest, batch, undefined)) };
    const run = (model: Model): Promise<Record<string, Tensor>> =>
      withSession(
        model,
        { config: manifest.sessionConfig, threads: 1, optimization: "extended" },
        (session) =>
          session.run(
            Object.fromEntries(
              session.inputs.map(({ name }) => [name, data[name] ?? stateTensor(state, name)]),
            ),
          ),
      );
    const [whole, cut] = [await run(trainingModel), await run(baked)];
    const kept = trainedInputs(manifest).filter(({ name }) => !frozen.inputs.has(name));
    const expected = [
      "loss",
      ...manifest.weights.filter(({ name }) => !frozen.weights.has(name)).map(({ grad }) => grad),
      ...kept.map(({ grad }) => grad),
    ];
    expect(Object.keys(cut).sort()).toEqual(expected.sort());
    for (const name of expected) expect(relativeError(cut[name]!, whole[name]!), name).toBeLessThan(1e-4);
  },
);
