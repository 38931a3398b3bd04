import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openDataset } from "../../src/data/open-dataset.ts";
import { exportModel } from "../../src/export/export-model.ts";
import { chooseOutputs } from "../../src/ir/judged-output.ts";
import { silentLogger } from "../../src/log.ts";
import { buildArtifact, writeArtifact } from "../../src/training/artifact.ts";
import { defaultTrainOptions } from "../../src/training/train.ts";
import { evaluateState } from "../../src/training/trainer/evaluate.ts";
import { closeGraphs, openGraphs } from "../../src/training/sessions/graphs.ts";
import { scoreModels } from "../../src/workflows/score-models.ts";
import { fashionMnist, quantizedNetwork } from "./network-artifact.ts";

test("with integer forward the held-out samples are judged as the deployed model judges them", async () => {
  const quantized = await quantizedNetwork({ network: "mobilenetv3", bits: "w4a8" });
  const artifact = await buildArtifact({
    ...quantized,
    batch: 32,
    forward: ["integer"],
    loss: { kind: "cross-entropy", hasLabels: true },
    source: { file: "model.onnx", sha256: "0".repeat(64) },
  });
  const directory = await mkdtemp(join(tmpdir(), "evaluation-"));
  await writeArtifact(artifact, directory);
  const dataset = await openDataset(fashionMnist, [
    { name: "input", dtype: "float32", shape: ["N", 1, 28, 28] },
  ]);
  const some = { ...dataset, length: 200, read: dataset.read.bind(dataset) };
  const graphs = await openGraphs(directory, artifact.manifest, { ...defaultTrainOptions, threads: 1 });
  const watched = await evaluateState(artifact.manifest, graphs, artifact.checkpoint, some);
  await closeGraphs(graphs);
  await rm(directory, { recursive: true });

  const { model } = await exportModel(quantized.model, quantized.plan, quantized.state);
  const context = { logger: silentLogger, signal: new AbortController().signal };
  const outputs = chooseOutputs(model, { labels: true });
  const { scores } = await scoreModels(
    [{ model: "efqat", source: model }],
    some,
    { batch: 50, outputs },
    context,
  );
  const [score] = scores;
  expect(watched.accuracy).toBe(score?.top1);
  expect(Math.abs(watched.loss / (score?.loss ?? NaN) - 1)).toBeLessThan(1e-5);
});
