import { describe, expect, test } from "vitest";
import { openDataset } from "../../src/data/open-dataset.ts";
import type { DataSpec } from "../../src/data/spec.ts";
import { createValue } from "../../src/ir/graph.ts";
import type { Model } from "../../src/ir/model.ts";
import { openJudgingData, openModelData, sampleFeeds, withClasses } from "../../src/workflows/open-data.ts";
import { provenanceOf } from "../../src/workflows/start-report.ts";
import { buildModel } from "../support/build-model.ts";
import { tinyData, tinyModel } from "../training/tiny-network.ts";

const fashion: DataSpec = { path: "fixtures/fashion-mnist", labels: "none" };

function classifier(classes: number, last = "Identity"): Model {
  const model = buildModel({
    inputs: { x: ["N", 1, 28, 28] },
    outputs: ["y"],
    build: (emit) => void emit.node(last, [emit.op("Flatten", ["x"])], { outputs: ["y"] }),
  });
  model.graph.outputs = [createValue("y", "float32", ["N", classes])];
  return model;
}

describe("openJudgingData", () => {
  const judge = async (
    spec: DataSpec,
    test: DataSpec | undefined,
    holdOut?: { val: number; seed: number },
  ) => {
    const model = spec.path === tinyData.path ? tinyModel() : classifier(10);
    const dataset = await openModelData(model, spec);
    return openJudgingData(model, { spec, dataset, test }, holdOut);
  };

  test("prefers the test part that comes with the data, labels ignored as in training", async () => {
    const { use, dataset } = await judge(fashion, undefined, { val: 0.1, seed: 0 });
    expect([use, dataset.length, dataset.hasLabels]).toEqual(["test", 10000, false]);
  });

  test("takes what is asked for first", async () => {
    const { use, dataset } = await judge(tinyData, { ...tinyData, samples: 7 }, { val: 0.1, seed: 0 });
    expect([use, dataset.length]).toEqual(["test", 7]);
  });

  test("falls back to the held-out samples, then to those trained on", async () => {
    const held = await judge(tinyData, undefined, { val: 0.25, seed: 0 });
    expect([held.use, held.dataset.length]).toEqual(["held out", 120]);
    expect((await judge(tinyData, undefined, { val: 0, seed: 0 })).use).toBe("training");
    expect((await judge(tinyData, undefined)).use).toBe("training");
  });
});

test("labels are checked against the classes of the first output", async () => {
  expect(withClasses(classifier(7), fashion).classes).toBe(7);
  await expect(openModelData(classifier(7), { path: fashion.path })).rejects.toThrow(/7 classes/);
  const images = classifier(10);
  images.graph.outputs = [createValue("y", "float32", ["N", 1, 28, 28])];
  expect(withClasses(images, fashion)).toEqual(fashion);
});

test("labels that come with the data are left out where the output is a unit vector, and taken where they are asked for", () => {
  const unit = classifier(10, "LpNormalization");
  expect(withClasses(unit, { path: "images" })).toEqual({ path: "images", labels: "none" });
  expect(withClasses(unit, { path: "images", labels: "l.npy" }).labels).toBe("l.npy");
  expect(withClasses(classifier(10), { path: "images" })).toEqual({ path: "images", classes: 10 });
});

test("a sample is as many as the model takes at a time", async () => {
  const dataset = await openDataset(fashion, [{ name: "x", dtype: "float32", shape: ["N", 1, "H", "W"] }]);
  expect((await sampleFeeds(dataset))["x"]?.dims).toEqual([1, 1, 28, 28]);
  expect((await sampleFeeds({ ...dataset, samplesPerRun: 3 }))["x"]?.dims).toEqual([3, 1, 28, 28]);
});

test("a written model tells its source by name and hash, not by this machine's paths", () => {
  const source = { path: "/home/someone/models/net.onnx", sha256: "ab" };
  const training = { optimizer: { clipNorm: Infinity }, cache: "/home/someone/.cache/efqat" };
  const provenance = provenanceOf(source, { seed: 3, training });
  expect(provenance).toEqual({
    source: { file: "net.onnx", sha256: "ab" },
    seed: 3,
    training: { optimizer: { clipNorm: "Infinity" } },
  });
});
