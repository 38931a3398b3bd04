import { float, graphAttribute, intList, string } from "../../../src/ir/attributes.ts";
import type { Emitter } from "../../../src/ir/emit.ts";
import { createNode, createValue } from "../../../src/ir/graph.ts";
import type { FunctionDef, Graph, Model, SparseTensor } from "../../../src/ir/model.ts";
import { encodeModel } from "../../../src/onnx/index.ts";
import { floats, ints, scalar, type Tensor, tensorOf, tensorOfBytes } from "../../../src/tensor/tensor.ts";
import { buildModel } from "../build-model.ts";
import type { HostileModel, Shape } from "./model.ts";

type Build = (emit: Emitter) => void;

const build = (make: Build, x: Shape = ["N", 4]): Model =>
  buildModel({ inputs: { x }, outputs: ["y"], build: make });

const last = { outputs: ["y"] };
const longs = (...values: bigint[]): Tensor => tensorOf("int64", [values.length], BigInt64Array.from(values));
const long = (value: bigint): Tensor => ({ ...longs(value), dims: [] });

/** x plus the sum of a constant that `make` blows up. */
const summed = (make: (emit: Emitter) => string): Model =>
  build((emit) => {
    const sum = emit.op("ReduceSum", [make(emit)], { keepdims: 0 });
    emit.op("Add", ["x", sum], {}, last);
  });

/** A body that doubles its value, `trips` times. */
export function loop(emit: Emitter, trips: bigint, start: string, outputs: readonly string[]): void {
  const body: Graph = buildModel({
    inputs: { i: ["int64"], go: ["bool"], v: [1] },
    outputs: ["on", "w"],
    build(inner) {
      inner.graph.inputs.forEach((input) => (input.type = undefined));
      inner.graph.inputs[0] = createValue("i", "int64", []);
      inner.graph.inputs[1] = createValue("go", "bool", []);
      inner.op("Identity", ["go"], {}, { outputs: ["on"] });
      inner.op("Add", ["v", "v"], {}, { outputs: ["w"] });
    },
  }).graph;
  const count = emit.constant(long(trips), "trips");
  const go = emit.constant(tensorOfBytes("bool", [], Uint8Array.of(1)), "start");
  emit.op("Loop", [count, go, start], { body: graphAttribute(body) }, { outputs });
}

const functionOf = (name: string, nodes: FunctionDef["nodes"], opset = 17): FunctionDef => ({
  name,
  domain: "my",
  overload: "",
  docString: "",
  inputs: ["X"],
  outputs: ["Y"],
  attributeNames: [],
  attributeDefaults: new Map(),
  nodes,
  opsets: new Map([
    ["", opset],
    ["my", 1],
  ]),
  valueInfo: new Map(),
  metadata: new Map(),
});

const call = (name: string, input: string, output: string) =>
  createNode({ name: "", opType: name, domain: "my", inputs: [input], outputs: [output] });

/** A model that calls F0, with functions F0, F1, ... */
function withFunctions(functions: FunctionDef[]): Model {
  const model = build((emit) => void emit.op("F0", ["x"], {}, { domain: "my", ...last }));
  model.opsets.set("my", 1);
  return { ...model, functions };
}

const relu = (name: string): FunctionDef =>
  functionOf(name, [createNode({ name: "", opType: "Relu", inputs: ["X"], outputs: ["Y"] })]);

/** Each function calls the next one twice. */
const doubling = (depth: number): Model =>
  withFunctions([
    ...Array.from({ length: depth }, (_, i) =>
      functionOf(`F${i}`, [call(`F${i + 1}`, "X", "t"), call(`F${i + 1}`, "t", "Y")]),
    ),
    relu(`F${depth}`),
  ]);

const calling = (depth: number): Model =>
  withFunctions([
    ...Array.from({ length: depth }, (_, i) => functionOf(`F${i}`, [call(`F${i + 1}`, "X", "Y")])),
    relu(`F${depth}`),
  ]);

function sparse(dims: number[]): SparseTensor {
  return { name: "w", values: floats([1], [1]), indices: longs(0n), dims };
}

function withSparse(dims: number[]): Model {
  const model = build((emit) => void emit.op("ReduceSum", [emit.op("MatMul", ["x", "w"])], {}, last));
  model.graph.sparseInitializers.push(sparse(dims));
  return model;
}

function sparseConstant(dims: number[]): Model {
  const model = build((emit) => {
    emit.node("Constant", [], {
      outputs: ["w"],
      attributes: { sparse_value: { type: "sparse", value: sparse(dims) } },
    });
    emit.op("ReduceSum", [emit.op("MatMul", ["x", "w"])], {}, last);
  });
  return model;
}

/** A loop in a function of another opset, which is not inlined. */
function loopInFunction(): Model {
  const inner = build((emit) => loop(emit, 2n ** 62n, "X", ["Y"]));
  const constants = [...inner.graph.initializers].map(([name, value]) =>
    createNode({
      name: "",
      opType: "Constant",
      inputs: [],
      outputs: [name],
      attributes: { value: { type: "tensor", value } },
    }),
  );
  const model = build((emit) => {
    const one = emit.constant(floats([1], [1]), "one");
    emit.op("Add", ["x", emit.op("L", [one], {}, { domain: "my" })], {}, last);
  });
  model.opsets.set("my", 1);
  return { ...model, functions: [functionOf("L", [...constants, ...inner.graph.nodes], 16)] };
}

function resize(sizes: bigint[], shape: Shape): Model {
  return build((emit) => {
    const to = emit.constant(longs(...sizes), "sizes");
    emit.op("Resize", ["x", "", "", to], { mode: string("nearest") }, last);
  }, shape);
}

const models: Record<string, { make: () => Model; slow?: boolean; answer?: string; data?: number[] }> = {
  "constant-of-shape-3gb": {
    make: () => summed((emit) => emit.op("ConstantOfShape", [emit.constant(ints([30_000, 25_000]))])),
    answer: "ok",
  },
  "constant-of-shape-160gb": {
    make: () => summed((emit) => emit.op("ConstantOfShape", [emit.constant(ints([200_000, 200_000]))])),
    data: [8, 4],
  },
  "expand-2gb": {
    make: () =>
      summed((emit) =>
        emit.op("Expand", [emit.constant(floats([1], [1])), emit.constant(ints([60_000, 10_000]))]),
      ),
    answer: "ok",
  },
  "range-8gb": {
    make: () =>
      summed((emit) =>
        emit.op(
          "Cast",
          [
            emit.op("Range", [
              emit.constant(long(0n)),
              emit.constant(long(10n ** 9n)),
              emit.constant(long(1n)),
            ]),
          ],
          { to: 1 },
        ),
      ),
    answer: "ok",
  },
  "tile-4tb": {
    make: () =>
      summed((emit) => emit.op("Tile", [emit.constant(floats([1], [1])), emit.constant(longs(2n ** 40n))])),
  },
  "pad-4tb": {
    make: () =>
      build((emit) => void emit.op("Pad", ["x", emit.constant(longs(0n, 0n, 0n, 2n ** 40n))], {}, last)),
  },
  "computed-pads": {
    make: () =>
      build((emit) => {
        const pads = emit.op("Mul", [
          emit.constant(longs(0n, 0n, 0n, 20_000n)),
          emit.constant(longs(20_000n)),
        ]);
        emit.op("ReduceSum", [emit.op("Pad", ["x", pads])], {}, last);
      }),
  },
  "resize-2^33": { make: () => resize([1n, 1n, 2n ** 33n, 2n ** 33n], ["N", 1, 4, 4]) },
  "resize-2^31": { make: () => resize([1n, 1n, 2n ** 31n, 1n], ["N", 1, 4, 4]) },
  "input-of-1tb": {
    make: () => build((emit) => void emit.op("Relu", ["x"], {}, last), ["N", 500_000, 500_000]),
  },
  "input-of-1gb-and-its-shape": {
    make: () =>
      build(
        (emit) => {
          const batch = emit.op("Gather", [emit.op("Shape", ["x"]), emit.constant(longs(0n))]);
          const to = emit.op("Concat", [batch, emit.constant(longs(-1n))], { axis: 0 });
          emit.op("Reshape", ["x", to], {}, last);
        },
        ["N", 20_000, 15_000],
      ),
  },
  "split-into-2e9": {
    make: () =>
      build(
        (emit) => {
          const parts = emit.op("SplitToSequence", ["x", emit.constant(long(1n))], { axis: 1 });
          emit.op("SequenceAt", [parts, emit.constant(long(0n))], {}, last);
        },
        [1, 2_000_000_000],
      ),
  },
  "sparse-6gb": { make: () => withSparse([4, 400_000_000]), answer: "unsupported/sparse-tensor" },
  "sparse-constant-8gb": {
    make: () => sparseConstant([4, 500_000_000]),
    answer: "unsupported/sparse-tensor",
  },
  "endless-loop": {
    make: () => build((emit) => loop(emit, 2n ** 62n, "x", ["y"]), [1]),
    answer: "ok",
    data: [1],
    slow: true,
  },
  "endless-loop-in-function": { make: loopInFunction },
  "functions-doubling-12": { make: () => doubling(12), answer: "ok", slow: true },
  "functions-doubling-16": { make: () => doubling(16), answer: "model/function-calls" },
  "functions-doubling-40": { make: () => doubling(40), answer: "model/function-calls" },
  "functions-1000-deep": { make: () => calling(999), answer: "ok", slow: true },
  "functions-10000-deep": { make: () => calling(10_000), answer: "model/function-calls", slow: true },
  "function-calls-itself": { make: () => withFunctions([functionOf("F0", [call("F0", "X", "Y")])]) },
  "functions-call-each-other": {
    make: () =>
      withFunctions([functionOf("F0", [call("F1", "X", "Y")]), functionOf("F1", [call("F0", "X", "Y")])]),
  },
  "lstm-of-2^31": {
    make: () =>
      build(
        (emit) => {
          const weight = emit.constant(floats(new Array<number>(16).fill(1), [1, 4, 4]));
          emit.op("LSTM", ["x", weight, weight], { hidden_size: 2 ** 31 - 1 }, last);
        },
        ["N", 1, 4],
      ),
  },
  "pool-of-2^31": {
    make: () =>
      build(
        (emit) =>
          void emit.op(
            "AveragePool",
            ["x"],
            { kernel_shape: intList([2 ** 31, 2 ** 31]), pads: [2 ** 31, 2 ** 31, 2 ** 31, 2 ** 31] },
            last,
          ),
        ["N", 1, 8, 8],
      ),
  },
  "gemm-infinite-factors": {
    make: () =>
      build((emit) => {
        const weight = emit.constant(floats(new Array<number>(16).fill(1), [4, 4]));
        emit.op("Gemm", ["x", weight], { alpha: float(Infinity), beta: float(NaN) }, last);
      }),
  },
  "clip-with-text": {
    make: () =>
      build((emit) => {
        const text: Tensor = {
          dtype: "string",
          dims: [],
          bytes: new Uint8Array(0),
          strings: [Buffer.from("a")],
        };
        emit.graph.initializers.set("s", text);
        emit.op("Clip", ["x", "s", emit.constant(scalar(1))], {}, last);
      }),
  },
};

export const bombs: HostileModel[] = Object.entries(models).map(([name, { make, ...rest }]) => ({
  name,
  bytes: () => encodeModel(make()),
  ...rest,
}));
