import { fileURLToPath } from "node:url";
import { calibrate } from "../../src/calibration/calibrate.ts";
import { batches } from "../../src/data/batches.ts";
import { openDataset } from "../../src/data/open-dataset.ts";
import { randomStream } from "../../src/data/random.ts";
import { Emitter } from "../../src/ir/emit.ts";
import { createGraph, createModel, createValue } from "../../src/ir/graph.ts";
import type { Model } from "../../src/ir/model.ts";
import { prepareModel } from "../../src/passes/prepare.ts";
import { computeState, observedTensors } from "../../src/quantization/parameters.ts";
import { planQuantization } from "../../src/quantization/plan.ts";
import { floats } from "../../src/tensor/tensor.ts";
import {
  type ArithmeticTrials,
  type Artifact,
  buildArtifact,
  type BuildArtifactOptions,
} from "../../src/training/artifact.ts";
import { measureGradients } from "../../src/training/measure-gradients.ts";

/** Data of the tiny network: 480 images [1, 8, 8] of three kinds. */
export const tinyData = { path: fileURLToPath(new URL("fixtures/shapes-data.mjs", import.meta.url)) };

/** x [N, 1, 8, 8] -> Conv, Relu, depthwise Conv, Relu, pointwise Conv, Add of the first Relu, pool, Gemm -> scores [N, 3]. */
export function tinyModel(): Model {
  const graph = createGraph("tiny");
  const emit = new Emitter(graph);
  const random = randomStream(7);
  const weight = (name: string, dims: number[], size: number): string => {
    const count = dims.reduce((a, b) => a * b, 1);
    graph.initializers.set(
      name,
      floats(
        Array.from({ length: count }, () => (random() - 0.5) * size),
        dims,
      ),
    );
    return name;
  };
  const conv = (name: string, x: string, dims: number[], pad: number, group = 1): string =>
    emit.op(
      "Conv",
      [x, weight(`${name}.weight`, dims, 1), weight(`${name}.bias`, [dims[0] as number], 0.2)],
      { pads: [pad, pad, pad, pad], kernel_shape: dims.slice(2), group },
      { name, outputs: [`${name}.out`] },
    );
  graph.inputs.push(createValue("x", "float32", ["N", 1, 8, 8]));
  const first = emit.op("Relu", [conv("stem", "x", [8, 1, 3, 3], 1)], {}, { outputs: ["first"] });
  const depth = emit.op("Relu", [conv("depth", first, [8, 1, 3, 3], 1, 8)], {}, { outputs: ["depth.relu"] });
  const point = conv("point", depth, [8, 8, 1, 1], 0);
  const sum = emit.op("Add", [point, first], {}, { outputs: ["sum"] });
  const pooled = emit.op("GlobalAveragePool", [sum], {}, { outputs: ["pooled"] });
  const flat = emit.op("Flatten", [pooled], { axis: 1 }, { outputs: ["flat"] });
  emit.node("Gemm", [flat, weight("head.weight", [8, 3], 1), weight("head.bias", [3], 0.2)], {
    name: "head",
    outputs: ["scores"],
  });
  graph.outputs.push(createValue("scores", "float32", ["N", 3]));
  return createModel(graph, 13);
}

type ArtifactChanges = Partial<BuildArtifactOptions> & { wbits?: 8 | 4; abits?: 8 | 4 };

/** The tiny network's artifact at batch 16, calibrated on its data. */
export const tinyArtifact = (options: ArtifactChanges = {}): Promise<Artifact> =>
  artifactOf(tinyModel(), options);

/** The artifact at batch 16 of a model that takes the tiny network's data, calibrated on them. */
export async function artifactOf(source: Model, options: ArtifactChanges = {}): Promise<Artifact> {
  const { wbits = 8, abits = 8, ...rest } = options;
  const model = await prepareModel(source);
  const plan = planQuantization(model, { wbits, abits, firstLast: "same" });
  const dataset = await openDataset(tinyData, [{ name: "x", dtype: "float32", shape: ["N", 1, 8, 8] }]);
  const formats = observedTensors(plan);
  const ranges = await calibrate(model, [...formats.keys()], dataset, { samples: 64, formats, threads: 1 });
  return buildArtifact({
    model,
    plan,
    state: computeState(model, plan, ranges),
    batch: 16,
    loss: { kind: "auto", hasLabels: true },
    source: { file: "tiny.onnx", sha256: "0".repeat(64) },
    ...rest,
  });
}

/** Measures the tiny network's gradients for an integer backward. */
export const tinyMeasure: ArithmeticTrials["measure"] = async (probe, start) => {
  const dataset = await openDataset(tinyData, [{ name: "x", dtype: "float32", shape: ["N", 1, 8, 8] }]);
  return measureGradients(probe, start, {
    teacher: await prepareModel(tinyModel()),
    batches: () => batches(dataset, { batch: 16, limit: 64 }),
    session: { threads: 1 },
  });
};
