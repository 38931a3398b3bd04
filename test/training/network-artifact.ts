import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { calibrate } from "../../src/calibration/calibrate.ts";
import { openDataset } from "../../src/data/open-dataset.ts";
import type { DataSpec } from "../../src/data/spec.ts";
import { loadModel } from "../../src/onnx/index.ts";
import { prepareModel } from "../../src/passes/prepare.ts";
import { computeState, observedTensors } from "../../src/quantization/parameters.ts";
import { planQuantization } from "../../src/quantization/plan.ts";
import type { QuantizationPlan } from "../../src/quantization/types.ts";
import { snapBiases } from "../../src/quantization/snap-biases.ts";
import { floats, viewAs } from "../../src/tensor/tensor.ts";
import { stateTensor } from "../../src/training/state.ts";
import { type Artifact, buildArtifact } from "../../src/training/artifact.ts";

const fixtures = fileURLToPath(new URL("../../fixtures/", import.meta.url));

/** Fashion-MNIST as the fixture networks read it. */
export const fashionMnist: DataSpec = {
  path: join(fixtures, "fashion-mnist"),
  split: "test",
  mean: [0.286],
  std: [0.353],
};

/** The networks and bit widths whose gradients are compared with PyTorch's. "w8": no activation quantizers. */
export const networkCases = ["resnet20", "mobilenetv3"].flatMap((network) =>
  (["w8", "w4a8", "w4a4"] as const).map((bits) => ({ name: `${network}-${bits}`, network, bits })),
);

type NetworkCase = (typeof networkCases)[number];

/** A fixture network prepared, planned and calibrated. */
export async function quantizedNetwork({
  network,
  bits,
}: {
  network: string;
  bits: NetworkCase["bits"] | "w8a8";
}) {
  const file = join(fixtures, network, "model.onnx");
  const model = await prepareModel(await loadModel(file));
  const wbits = bits.startsWith("w8") ? 8 : 4;
  const whole = planQuantization(model, { wbits, abits: bits === "w4a4" ? 4 : 8 });
  const plan: QuantizationPlan =
    bits === "w8" ? { ...whole, activations: [], biases: [], dropped: [] } : whole;
  const dataset = await openDataset(fashionMnist, [
    { name: "input", dtype: "float32", shape: ["N", 1, 28, 28] },
  ]);
  const formats = observedTensors(plan);
  const ranges =
    formats.size === 0
      ? new Map()
      : await calibrate(model, [...formats.keys()], dataset, { samples: 64, formats, method: "minmax" });
  return { model, plan, state: computeState(model, plan, ranges) };
}

/**
 * The artifact of a fixture network at batch 8, a quarter of the rows trained. Its biases are multiples of their step, as
 * after an export, so that rounding them to it, through which PyTorch's gradients of the scales go, changes nothing.
 */
export async function networkArtifact(network: NetworkCase): Promise<Artifact> {
  const quantized = await quantizedNetwork(network);
  const artifact = await buildArtifact({
    ...quantized,
    batch: 8,
    loss: { kind: "auto", hasLabels: true },
    source: { file: `${network.network}.onnx`, sha256: "0".repeat(64) },
  });
  const { checkpoint, manifest } = artifact;
  const values = manifest.parameters.map(
    ({ input }) => [input, viewAs(stateTensor(checkpoint, input), "float32")] as const,
  );
  for (const [name, held] of snapBiases(quantized.state, new Map(values)))
    checkpoint.set(name, floats(held, stateTensor(checkpoint, name).dims));
  return artifact;
}
