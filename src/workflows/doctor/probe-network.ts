import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { randomStream } from "../../data/random.ts";
import { Emitter } from "../../ir/emit.ts";
import { createGraph, createModel, createValue } from "../../ir/graph.ts";
import type { Model } from "../../ir/model.ts";
import { saveModel } from "../../onnx/index.ts";
import { floats, type Tensor, tensorOf } from "../../tensor/tensor.ts";

/** Samples of the probe's data, and the shape of one. */
const probeSamples = 32;
const [channels, size, classes] = [8, 8, 4];

/** Conv, Relu, depthwise Conv, Relu, global average pool and a linear layer on x [N, 3, 8, 8]; weights drawn with a seed. */
export function probeModel(): Model {
  const graph = createGraph("probe");
  const emit = new Emitter(graph);
  const random = randomStream(7);
  const weight = (name: string, dims: number[], width: number): string => {
    graph.initializers.set(name, draw(dims, width, random));
    return name;
  };
  const conv = (name: string, x: string, dims: number[], group: number): string =>
    emit.op(
      "Conv",
      [x, weight(`${name}.weight`, dims, 1), weight(`${name}.bias`, [dims[0] as number], 0.2)],
      { pads: [1, 1, 1, 1], kernel_shape: [3, 3], group },
      { name, outputs: [`${name}.out`] },
    );
  graph.inputs.push(createValue("x", "float32", ["N", 3, size, size]));
  const stem = emit.op("Relu", [conv("stem", "x", [channels, 3, 3, 3], 1)]);
  const depthwise = emit.op("Relu", [conv("depthwise", stem, [channels, 1, 3, 3], channels)]);
  const flat = emit.op("Flatten", [emit.op("GlobalAveragePool", [depthwise])], { axis: 1 });
  const head = [weight("head.weight", [channels, classes], 1), weight("head.bias", [classes], 0.2)];
  emit.node("Gemm", [flat, ...head], { name: "head", outputs: ["scores"] });
  graph.outputs.push(createValue("scores", "float32", ["N", classes]));
  return createModel(graph, 17);
}

/** What the probe is fed with. */
export const probeInput = (): Tensor => draw([probeSamples, 3, size, size], 2, randomStream(11));

/** Uniform values around zero. */
function draw(dims: number[], width: number, random: () => number): Tensor {
  const count = dims.reduce((product, dim) => product * dim, 1);
  return floats(
    Array.from({ length: count }, () => (random() - 0.5) * width),
    dims,
  );
}

/** Where the probe lies. */
export interface ProbeFiles {
  model: string;
  data: string;
  labels: string;
}

/** Writes the probe, its data and labels into a folder: all classes in turn, so that the loss is far from zero. */
export async function writeProbe(folder: string): Promise<ProbeFiles> {
  const [model, data, labels] = [
    join(folder, "probe.onnx"),
    join(folder, "x.npy"),
    join(folder, "labels.npy"),
  ];
  await saveModel(probeModel(), model);
  await writeFile(data, encodeNpy(probeInput(), "<f4"));
  const inTurn = BigInt64Array.from({ length: probeSamples }, (_, index) => BigInt(index % classes));
  await writeFile(labels, encodeNpy(tensorOf("int64", [probeSamples], inTurn), "<i8"));
  return { model, data, labels };
}

/** A tensor in NumPy's format, version 1.0. */
function encodeNpy({ dims, bytes }: Tensor, type: string): Uint8Array {
  const head = `{'descr': '${type}', 'fortran_order': False, 'shape': (${dims.join(", ")},), }`;
  const text = head.padEnd(Math.ceil((head.length + 11) / 64) * 64 - 11) + "\n";
  const length = Buffer.alloc(2);
  length.writeUInt16LE(text.length);
  return Buffer.concat([Buffer.from("\u0093NUMPY\u0001\u0000", "latin1"), length, Buffer.from(text), bytes]);
}
