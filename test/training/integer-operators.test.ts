import { describe, expect, test } from "vitest";
import { UserError } from "../../src/errors.ts";
import { encodeModel } from "../../src/onnx/index.ts";
import { Session } from "../../src/runtime/session.ts";
import { type Tensor, viewAs } from "../../src/tensor/tensor.ts";
import { type Artifact, buildArtifact } from "../../src/training/artifact.ts";
import { feedsFor } from "../../src/training/state.ts";
import { caseModel, image, kernelCases } from "../support/kernel-cases.ts";
import { quantizeCase, randomDataset } from "../support/quantize-case.ts";
import { randomTensor } from "../support/random-tensor.ts";
import { needsExactKernels, saturates } from "../support/saturation.ts";

const samples = 8;

/** Patterns with an operator that has no gradient rule. */
const untrained = new Set([
  ...["Tile", "GlobalMaxPool", "DepthToSpace", "ConvTranspose", "Pad"],
  ...["Resize by nearest neighbour", "Resize by interpolation"],
]);
/** Roots of negative values are no numbers, on any kernel. */
const cases = kernelCases.filter(({ name }) => name !== "Sqrt");

describe.skipIf(saturates)(needsExactKernels, () => {
  test.each(cases)(
    "$name: with the integer forward gradients of weights point where the float ones do",
    async (entry) => {
      const { name, input = image, options = {} } = entry;
      const data = randomDataset({ x: input }, 64);
      const { prepared: model, plan, state } = await quantizeCase(caseModel(entry), data, options);
      const build = (forward: "float" | "integer"): Promise<Artifact> =>
        buildArtifact({
          model,
          plan,
          state,
          batch: samples,
          forward: [forward],
          freezing: { ratio: 1 },
          loss: { kind: "mse", hasLabels: false },
          source: { file: "case.onnx", sha256: "0".repeat(64) },
        });
      const float = await build("float").catch((error: unknown) => error);
      if (float instanceof UserError) {
        expect(untrained).toContain(name);
        return;
      }
      const integer = await build("integer");
      const { inputs } = await data.read(Array.from({ length: samples }, (_, index) => index));
      const [exact, found] = [await gradients(float as Artifact, inputs), await gradients(integer, inputs)];
      for (const { grad } of integer.manifest.weights) {
        expect(cosine(found[grad] as Tensor, exact[grad] as Tensor), grad).toBeGreaterThan(0.99);
      }
    },
  );
});

async function gradients(
  { trainingModel, manifest, checkpoint }: Artifact,
  inputs: Record<string, Tensor>,
): Promise<Record<string, Tensor>> {
  const session = await Session.create(encodeModel(trainingModel), {
    config: manifest.sessionConfig,
    threads: 1,
  });
  const targets = manifest.targets.map(({ name, shape }, index): [string, Tensor] => [
    name,
    randomTensor(
      shape.map((dim) => (typeof dim === "number" ? dim : samples)),
      index + 5,
    ),
  ]);
  const found = await session.run(feedsFor(session, inputs, Object.fromEntries(targets), checkpoint));
  await session.release();
  return found;
}

function cosine(a: Tensor, b: Tensor): number {
  const [left, right] = [viewAs(a, "float32"), viewAs(b, "float32")];
  const dot = (x: Float32Array, y: Float32Array): number =>
    x.reduce((sum, value, i) => sum + value * (y[i] as number), 0);
  return dot(left, right) / Math.sqrt(dot(left, left) * dot(right, right));
}
