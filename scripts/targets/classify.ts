import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import * as web from "onnxruntime-web";
import { batches } from "../../src/data/batches.ts";
import type { Dataset } from "../../src/data/dataset.ts";
import type { Model } from "../../src/ir/model.ts";
import { fixedBatch } from "../../src/ir/value-types.ts";
import { encodeModel } from "../../src/onnx/index.ts";
import { withSession } from "../../src/runtime/open-model.ts";
import { type Tensor, viewAs } from "../../src/tensor/tensor.ts";

/** The class that a fixture network gives each sample, of 10. */
type Classes = Uint8Array;

const classCount = 10;
/** Samples per run. */
const batch = 50;

function classesOf(logits: Float32Array): Classes {
  return Uint8Array.from({ length: logits.length / classCount }, (_, sample) => {
    const row = logits.subarray(classCount * sample, classCount * (sample + 1));
    return row.indexOf(Math.max(...row));
  });
}

/** Runs `work` over the samples, batch by batch, and joins what it gives. */
async function overBatches(
  model: Model,
  samples: Dataset,
  work: (images: Float32Array, size: number) => Promise<Float32Array>,
): Promise<Classes> {
  const found: number[] = [];
  for await (const { inputs, size } of batches(samples, { batch: fixedBatch(model.graph) ?? batch }))
    found.push(...classesOf(await work(viewAs(inputs["input"] as Tensor, "float32"), size)));
  return Uint8Array.from(found);
}

/** In ONNX Runtime on CPU. */
export async function classifyInRuntime(model: Model, samples: Dataset): Promise<Classes> {
  return withSession(model, {}, (session) =>
    overBatches(model, samples, async (images, size) => {
      const dims = [size, 1, 28, 28];
      const input: Tensor = { dtype: "float32", dims, bytes: bytesOf(images) };
      return viewAs((await session.run({ input }))["logits"] as Tensor, "float32");
    }),
  );
}

/** In onnxruntime-web's WebAssembly backend. */
export async function classifyInWeb(model: Model, samples: Dataset): Promise<Classes> {
  web.env.wasm.numThreads = 1;
  web.env.logLevel = "error";
  const session = await web.InferenceSession.create(encodeModel(model), { executionProviders: ["wasm"] });
  try {
    return await overBatches(model, samples, async (images, size) => {
      const input = new web.Tensor("float32", images, [size, 1, 28, 28]);
      return (await session.run({ input }))["logits"]?.data as Float32Array;
    });
  } finally {
    await session.release();
  }
}

/** A layer of OpenVINO's execution graph: its type, its precision, and the nodes that it was made of. */
export interface ExecutedLayer {
  type: string;
  precision: string;
  nodes: string;
}

const script = fileURLToPath(new URL("run_openvino.py", import.meta.url));

/** In OpenVINO on CPU, by a Python that has it. */
export async function classifyInOpenVINO(
  python: string,
  model: Model,
  samples: Dataset,
): Promise<{ classes: Classes; version: string; layers: ExecutedLayer[] }> {
  const folder = await mkdtemp(join(tmpdir(), "efqat-openvino-"));
  const at = (name: string): string => join(folder, name);
  try {
    const images: Uint8Array[] = [];
    for await (const { inputs } of batches(samples, { batch: 1000 }))
      images.push((inputs["input"] as Tensor).bytes);
    await writeFile(at("model.onnx"), encodeModel(model));
    await writeFile(at("samples.bin"), Buffer.concat(images));
    const args = [script, at("model.onnx"), at("samples.bin"), at("logits.bin"), "1,28,28"];
    const { stdout } = await execa(python, args, { maxBuffer: 2 ** 26 });
    const told = JSON.parse(stdout) as { version: string; layers: ExecutedLayer[] };
    const bytes = await readFile(at("logits.bin"));
    return { classes: classesOf(new Float32Array(Uint8Array.from(bytes).buffer)), ...told };
  } finally {
    await rm(folder, { recursive: true });
  }
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);
