import { describe, expect, test } from "vitest";
import { batches } from "../../src/data/batches.ts";
import { openDataset } from "../../src/data/open-dataset.ts";
import { exportModel } from "../../src/export/export-model.ts";
import { encodeModel } from "../../src/onnx/index.ts";
import { Session } from "../../src/runtime/session.ts";
import { floats, type Tensor, tensorOf, viewAs } from "../../src/tensor/tensor.ts";
import {
  type ArithmeticTrials,
  type Artifact,
  buildArtifact,
  type BuildArtifactOptions,
} from "../../src/training/artifact.ts";
import type { Arithmetic } from "../../src/training/arithmetic/arithmetic.ts";
import { measureGradients } from "../../src/training/measure-gradients.ts";
import { fashionMnist, quantizedNetwork } from "./network-artifact.ts";
import { needsExactKernels, saturates } from "../support/saturation.ts";

const cases = [
  { network: "resnet20", bits: "w8a8" },
  { network: "mobilenetv3", bits: "w8a8" },
  { network: "resnet20", bits: "w4a8" },
  { network: "resnet20", bits: "w4a4" },
  { network: "mobilenetv3", bits: "w4a8" },
] as const;

const images = 64;

describe.skipIf(saturates)(needsExactKernels, () => {
  test.each(cases)("$network $bits: the integer forward is the deployed model's", async (network) => {
    const quantized = await quantizedNetwork(network);
    const dataset = await openDataset(fashionMnist, [
      { name: "input", dtype: "float32", shape: ["N", 1, 28, 28] },
    ]);
    const measure: ArithmeticTrials["measure"] = (probe, start) =>
      measureGradients(probe, start, {
        teacher: quantized.model,
        batches: () => batches(dataset, { batch: images, limit: 4 * images }),
        session: { threads: 1 },
      });
    const build = (forward: Arithmetic, more: Partial<BuildArtifactOptions> = {}): Promise<Artifact> =>
      buildArtifact({
        ...quantized,
        batch: images,
        forward: [forward],
        loss: { kind: "cross-entropy", hasLabels: true },
        source: { file: "model.onnx", sha256: "0".repeat(64) },
        ...more,
      });
    const [float, integer] = [await build("float"), await build("integer")];
    expect(integer.manifest.forward).toBe("integer");
    const nodes = integer.trainingModel.graph.nodes.filter(({ name }) => !name.includes("/grad"));
    const count = (opType: string): number => nodes.filter((node) => node.opType === opType).length;
    const layers = float.evalModel.graph.nodes.filter(({ opType }) => opType === "Conv").length;
    // Each once for the next layer and, where its codes have 4 bits, once finer for the backward.
    const times = network.bits === "w4a4" ? 2 : 1;
    expect([count("Conv"), count("QLinearConv")]).toEqual([0, times * layers]);

    const batch = await dataset.read(Array.from({ length: images }, (_, index) => 800 + index));
    const labels = Array.from(batch.labels ?? []);
    const data = {
      ...batch.inputs,
      labels: tensorOf("int64", [images], BigInt64Array.from(labels, BigInt)),
    };
    const trained = await stepOf(integer, data);

    const deployed = await exportModel(quantized.model, quantized.plan, quantized.state);
    // Means between integer kernels are sums of floats, whose order follows the layout: the same one on both sides.
    const config = { "optimization.disable_specified_optimizers": "NhwcTransformer" };
    const session = await Session.create(encodeModel(deployed.model), { config, threads: 1 });
    const logits = viewAs((await session.run(batch.inputs))["logits"] as Tensor, "float32");
    await session.release();
    // The same integers on both sides: only the loss itself is computed in other precisions.
    expect(Math.abs(lossOf(trained) / crossEntropy(logits, labels) - 1)).toBeLessThan(1e-6);

    // Gradients of weights point where the float forward's do.
    const exact = await stepOf(float, data);
    const { weights, parameters } = float.manifest;
    const cosines = (
      of: readonly { grad: string | null }[],
      found: Record<string, Tensor>,
      reference: Record<string, Tensor>,
    ): [median: number, least: number] => {
      const each = of
        .map(({ grad }) => cosine(found[grad as string] as Tensor, reference[grad as string] as Tensor))
        .sort((a, b) => a - b);
      return [each[each.length >> 1] ?? NaN, each[0] ?? NaN];
    };
    const [median, least] = cosines(weights, trained, exact);
    expect(median).toBeGreaterThan(0.99);
    expect(least).toBeGreaterThan(0.95);
    // The rounding of activations, which their scales' gradients tell of, is there where codes are finer than theirs.
    const activations = float.manifest.activations.flatMap(({ scaleGrad }) => scaleGrad ?? []);
    const scaleGradients = (found: Record<string, Tensor>): Tensor => {
      const values = activations.map((name) => viewAs(found[name] as Tensor, "float32")[0] as number);
      return floats(values, [values.length]);
    };
    if (times === 2) expect(cosine(scaleGradients(trained), scaleGradients(exact))).toBeGreaterThan(0.99);

    // The same with data gradients rounded to codes, in either forward: what rounding does adds up towards the first layers.
    for (const [forward, reference] of [
      ["integer", trained],
      ["float", exact],
    ] as const) {
      const coded = await build(forward, { backward: ["integer"], trials: { measure } });
      expect(coded.trainingModel.graph.nodes.some(({ opType }) => opType === "QLinearMul")).toBe(true);
      const rounded = await stepOf(coded, data);
      expect(lossOf(rounded)).toBe(lossOf(reference));
      // Of 8-bit codes what saturates alone, whatever the gradients are held in: few values each, so that their rounding shows.
      if (forward === "integer" && times === 1)
        expect(cosine(scaleGradients(rounded), scaleGradients(trained))).toBeGreaterThan(0.8);
      const scales = weights.map(({ scaleGrad }) => ({ grad: scaleGrad }));
      for (const of of [weights, scales, parameters]) {
        const [middle, worst] = cosines(of, rounded, reference);
        expect(middle).toBeGreaterThan(0.98);
        expect(worst).toBeGreaterThan(0.75);
      }
    }
  });
});

/** Loss and gradients of an artifact's first state. */
async function stepOf(artifact: Artifact, data: Record<string, Tensor>): Promise<Record<string, Tensor>> {
  const { trainingModel, manifest, checkpoint } = artifact;
  const session = await Session.create(encodeModel(trainingModel), {
    config: manifest.sessionConfig,
    threads: 1,
  });
  const feeds = session.inputs.map(({ name }) => [name, data[name] ?? checkpoint.get(name)]);
  const results = await session.run(Object.fromEntries(feeds) as Record<string, Tensor>);
  await session.release();
  return results;
}

const lossOf = (results: Record<string, Tensor>): number =>
  viewAs(results["loss"] as Tensor, "float32")[0] ?? NaN;

/** Mean over the rows of -log softmax(logits)[label]. */
function crossEntropy(logits: Float32Array, labels: readonly number[]): number {
  const classes = logits.length / labels.length;
  const losses = labels.map((label, i) => {
    const row = Array.from(logits.subarray(i * classes, (i + 1) * classes));
    const most = Math.max(...row);
    const sum = row.reduce((total, logit) => total + Math.exp(logit - most), 0);
    return most + Math.log(sum) - (row[label] as number);
  });
  return losses.reduce((total, loss) => total + loss, 0) / labels.length;
}

function cosine(a: Tensor, b: Tensor): number {
  const [left, right] = [viewAs(a, "float32"), viewAs(b, "float32")];
  const dot = (x: Float32Array, y: Float32Array): number =>
    x.reduce((sum, v, i) => sum + v * (y[i] as number), 0);
  return dot(left, right) / Math.sqrt(dot(left, left) * dot(right, right));
}
