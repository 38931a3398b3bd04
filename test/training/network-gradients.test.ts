import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { encodeModel } from "../../src/onnx/index.ts";
import { Session } from "../../src/runtime/session.ts";
import { type Tensor, viewAs } from "../../src/tensor/tensor.ts";
import { decodeSafetensors } from "../../src/training/checkpoint/safetensors.ts";
import { stateTensor } from "../../src/training/state.ts";
import { networkArtifact, networkCases } from "./network-artifact.ts";

const fixtures = new URL("../../fixtures/gradients/", import.meta.url);

/** Inputs, state, loss and gradients of a network by PyTorch; see fixtures/torch_gradients.py. */
function expected(name: string): Map<string, Tensor> {
  const packed = readFileSync(new URL(`${name}.safetensors.gz`, fixtures));
  return decodeSafetensors(gunzipSync(packed), name).tensors;
}

/** Norm of the difference relative to the norm of what is expected. */
function relativeError(actual: Tensor, wanted: Tensor): number {
  expect(actual.dims).toEqual(wanted.dims);
  const [a, b] = [viewAs(actual, "float32"), viewAs(wanted, "float32")];
  let [gap, norm] = [0, 0];
  b.forEach((value, index) => {
    gap += ((a[index] as number) - value) ** 2;
    norm += value ** 2;
  });
  return norm === 0 ? Math.sqrt(gap) : Math.sqrt(gap / norm);
}

test.each(networkCases)("gradients of the $name artifact are PyTorch's", async (network) => {
  const { trainingModel, manifest } = await networkArtifact(network);
  const known = expected(network.name);
  const session = await Session.create(encodeModel(trainingModel), {
    config: manifest.sessionConfig,
    threads: 1,
  });
  const feeds = Object.fromEntries(session.inputs.map(({ name }) => [name, stateTensor(known, name)]));
  const outputs = await session.run(feeds);
  await session.release();
  const errors = session.outputs.map(({ name }) => ({
    name,
    error: relativeError(outputs[name] as Tensor, stateTensor(known, name)),
  }));
  expect(errors.length).toBeGreaterThan(60);
  errors.sort((a, b) => a.error - b.error);
  const worst = errors.at(-1);
  const median = errors[errors.length >> 1]?.error ?? Infinity;
  if (network.bits === "w8") {
    expect(worst?.error, worst?.name).toBeLessThan(1e-4);
    return;
  }
  // A value near a rounding boundary may take the neighbouring code in one of the two runtimes.
  expect(median).toBeLessThan(1e-3);
  expect(worst?.error, worst?.name).toBeLessThan(3e-2);
});
