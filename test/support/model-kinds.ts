import { graphAttribute } from "../../src/ir/attributes.ts";
import { Emitter } from "../../src/ir/emit.ts";
import { createGraph, createNode, tensorType } from "../../src/ir/graph.ts";
import type { Graph, Model, Node } from "../../src/ir/model.ts";
import { convertFloats } from "../../src/tensor/convert-floats.ts";
import { type DataType, dataTypes } from "../../src/tensor/data-type.ts";
import { scalar, ints, type Tensor, tensorOf } from "../../src/tensor/tensor.ts";
import { buildModel } from "./build-model.ts";
import { randomSource, randomTensor } from "./random-tensor.ts";

/** A small model of a kind that exporters write, with samples. */
export interface ModelKind {
  model: Model;
  data: Record<string, Tensor>;
}

const samples = 12;

/** An affine map of the last axis, without `bias` as a MatMul alone. */
const linear = (emit: Emitter, x: string, [from, to]: readonly [number, number], seed: number): string => {
  const weight = emit.constant(randomTensor([from, to], seed, -(from ** -0.5), from ** -0.5), `w${seed}`);
  return emit.op("Add", [
    emit.op("MatMul", [x, weight]),
    emit.constant(randomTensor([to], seed), `b${seed}`),
  ]);
};

const norm = (emit: Emitter, x: string, width: number, output?: string): string =>
  emit.op(
    "LayerNormalization",
    [x, emit.constant(randomTensor([width], 7, 0.5, 1.5)), emit.constant(randomTensor([width], 8))],
    { axis: -1 },
    output === undefined ? {} : { outputs: [output] },
  );

/** Token ids and mask in, a vector per token out: batch and length are open in the output, too. */
export function tokensToSequence(): ModelKind {
  const random = randomSource(3);
  const ids = tensorOf(
    "int64",
    [samples, 6],
    BigInt64Array.from({ length: samples * 6 }, () => BigInt(Math.floor(20 * random()))),
  );
  const model = buildModel({
    inputs: { ids: ["int64", "batch", "length"] },
    outputs: ["states"],
    build(emit) {
      const x = emit.op("Gather", [emit.constant(randomTensor([20, 8], 1), "table"), "ids"], { axis: 0 });
      const [query, key, value] = [11, 12, 13].map((seed) => linear(emit, x, [8, 8], seed)) as [
        string,
        string,
        string,
      ];
      const scores = emit.op("MatMul", [query, emit.op("Transpose", [key], { perm: [0, 2, 1] })]);
      const mixed = emit.op("MatMul", [emit.op("Softmax", [scores], { axis: -1 }), value]);
      const first = norm(emit, emit.op("Add", [x, mixed]), 8);
      const wide = linear(emit, first, [8, 16], 14);
      const half = emit.op("Mul", [wide, emit.constant(scalar(0.5))]);
      const bell = emit.op("Erf", [emit.op("Div", [wide, emit.constant(scalar(Math.SQRT2))])]);
      const gelu = emit.op("Mul", [half, emit.op("Add", [bell, emit.constant(scalar(1))])]);
      norm(emit, emit.op("Add", [first, linear(emit, gelu, [16, 8], 15)]), 8, "states");
    },
  });
  return { model, data: { ids } };
}

/** Sound in, features of a length that follows from the input's by strides. */
export function soundToFrames(): ModelKind {
  const model = buildModel({
    inputs: { sound: ["batch", 1, "time"] },
    outputs: ["frames"],
    build(emit) {
      const conv = (x: string, dims: number[], seed: number): string =>
        emit.op("Conv", [x, emit.constant(randomTensor(dims, seed), `k${seed}`)], {
          strides: [2],
          kernel_shape: [4],
        });
      const features = conv(emit.op("Relu", [conv("sound", [6, 1, 4], 1)]), [8, 6, 4], 2);
      emit.op("Transpose", [features], { perm: [0, 2, 1] }, { outputs: ["frames"] });
    },
  });
  // Exporters give computed dimensions symbols of their own.
  for (const output of model.graph.outputs)
    output.type = { kind: "tensor", dtype: "float32", shape: ["batch", "frames", 8] };
  return { model, data: { sound: randomTensor([samples, 1, 40], 4) } };
}

/** Boxes and scores, of shapes that differ, from one backbone. */
export function detector(): ModelKind {
  const model = buildModel({
    inputs: { image: ["batch", 3, 16, 16] },
    outputs: ["boxes", "scores"],
    build(emit) {
      const conv = (x: string, dims: number[], seed: number): string =>
        emit.op(
          "Conv",
          [
            x,
            emit.constant(randomTensor(dims, seed, -0.5, 0.5), `k${seed}`),
            emit.constant(randomTensor([dims[0] ?? 1], seed), `c${seed}`),
          ],
          { pads: [1, 1, 1, 1], strides: [2, 2], kernel_shape: [3, 3] },
        );
      const backbone = emit.op("Relu", [conv("image", [8, 3, 3, 3], 1)]);
      const flat = (x: string, width: number, output: string): void => {
        const rows = emit.op("Reshape", [
          emit.op("Transpose", [x], { perm: [0, 2, 3, 1] }),
          emit.constant(ints([0, -1, width])),
        ]);
        emit.op(output === "scores" ? "Sigmoid" : "Identity", [rows], {}, { outputs: [output] });
      };
      flat(conv(backbone, [8, 8, 3, 3], 2), 4, "boxes");
      flat(conv(backbone, [6, 8, 3, 3], 3), 3, "scores");
    },
  });
  return { model, data: { image: randomTensor([samples, 3, 16, 16], 5) } };
}

/** A step of a stream: the state that goes in and comes out has its batch second, and a rate that decides which half runs. */
export function streaming(): ModelKind {
  const model = buildModel({
    inputs: { sound: ["batch", 16], state: [2, "batch", 8], rate: ["int64"] },
    outputs: ["voice", "next"],
    build(emit) {
      const half = (seed: number): Graph => {
        const graph = createGraph("half");
        const inner = new Emitter(graph);
        inner.prefix = `half${seed}`;
        graph.outputs.push({
          name: linear(inner, "sound", [16, 8], seed),
          type: tensorType("float32", undefined),
        });
        return graph;
      };
      const fast = emit.op("Equal", ["rate", emit.constant(ints([16000], []))]);
      const branches = { then_branch: graphAttribute(half(21)), else_branch: graphAttribute(half(22)) };
      const heard = emit.op("Unsqueeze", [emit.op("If", [fast], branches), emit.constant(ints([0]))]);
      const next = linear(emit, emit.op("Tanh", [emit.op("Add", [heard, "state"])]), [8, 8], 23);
      emit.op("Identity", [next], {}, { outputs: ["next"] });
      const last = emit.op("Gather", [next, emit.constant(ints([1], []))], { axis: 0 });
      emit.op("Identity", [linear(emit, last, [8, 2], 24)], {}, { outputs: ["voice"] });
    },
  });
  return {
    model,
    data: { sound: randomTensor([samples, 16], 6), state: randomTensor([samples, 2, 1, 8], 7) },
  };
}

/**
 * The same kind with ports and constants in `dtype`, as tools write that convert a whole model; in bfloat16 the ports stay
 * float32 behind Casts, since nothing could feed them.
 */
export function inFloats({ model, data }: ModelKind, dtype: "float16" | "float64" | "bfloat16"): ModelKind {
  const { graph } = model;
  for (const [name, tensor] of graph.initializers)
    if (tensor.dtype === "float32") graph.initializers.set(name, convertFloats(tensor, dtype));
  if (dtype === "bfloat16") {
    castPorts(graph, dtype);
    return { model, data };
  }
  for (const port of [...graph.inputs, ...graph.outputs])
    port.type =
      port.type?.kind === "tensor" ? { ...port.type, dtype } : { kind: "tensor", dtype, shape: undefined };
  return { model, data };
}

function castPorts(graph: Graph, dtype: DataType): void {
  const cast = (from: string, to: string, type: DataType): Node =>
    createNode({
      name: `${to}.cast`,
      opType: "Cast",
      inputs: [from],
      outputs: [to],
      attributes: { to: dataTypes[type].code },
    });
  const inputs = new Set(graph.inputs.map(({ name }) => name));
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const inner = (name: string): string => (inputs.has(name) || outputs.has(name) ? `${name}.inner` : name);
  for (const node of graph.nodes) {
    node.inputs = node.inputs.map(inner);
    node.outputs = node.outputs.map(inner);
  }
  graph.nodes.unshift(...Array.from(inputs, (name) => cast(name, inner(name), dtype)));
  graph.nodes.push(...Array.from(outputs, (name) => cast(inner(name), name, "float32")));
}
