import type { HostileModel } from "./model.ts";
import { field, graphFields, modelOfFields, node, number, varint } from "./wire.ts";
import type { Emitter } from "../../../src/ir/emit.ts";
import type { Model } from "../../../src/ir/model.ts";
import { encodeModel } from "../../../src/onnx/index.ts";
import { floats, ints } from "../../../src/tensor/tensor.ts";
import { buildModel } from "../build-model.ts";

/** A chain of `count` pieces: each makes `output` of `input`. */
const chain = (
  count: number,
  piece: (emit: Emitter, input: string, output: string, i: number) => void,
  x: readonly (string | number)[] = ["N", 4],
): Model =>
  buildModel({
    inputs: { x },
    outputs: ["y"],
    build(emit) {
      for (let i = 0; i < count; i++)
        piece(emit, i === 0 ? "x" : `v${i}`, i === count - 1 ? "y" : `v${i + 1}`, i);
    },
  });

const eye = floats([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1], [4, 4]);

function batchNorms(emit: Emitter, input: string, output: string): void {
  const { initializers } = emit.graph;
  if (initializers.size === 0) {
    initializers.set("w", floats([1], [1, 1, 1, 1]));
    initializers.set("one", floats([1]));
    initializers.set("zero", floats([0]));
  }
  emit.op("Conv", [input, "w"], {}, { outputs: [`${output}.conv`] });
  emit.op("BatchNormalization", [`${output}.conv`, "one", "zero", "zero", "one"], {}, { outputs: [output] });
}

function sameNames(): Model {
  const model = chain(
    20_000,
    (emit, input, output) => void emit.op("Relu", [input], {}, { outputs: [output] }),
  );
  for (const each of model.graph.nodes) each.name = "n";
  return model;
}

function constants(): Model {
  return buildModel({
    inputs: { x: ["N", 4] },
    outputs: ["y"],
    build(emit) {
      const all = Array.from({ length: 20_000 }, () =>
        emit.op("Constant", [], { value_float: { type: "float", value: 1 } }),
      );
      emit.op("Sum", ["x", ...all], {}, { outputs: ["y"] });
    },
  });
}

const graphs: Record<string, { make: () => Model; data?: number[] }> = {
  "relus-2000": { make: () => chain(2000, (emit, a, b) => void emit.op("Relu", [a], {}, { outputs: [b] })) },
  "relus-30000": {
    make: () => chain(30_000, (emit, a, b) => void emit.op("Relu", [a], {}, { outputs: [b] })),
  },
  "identities-20000": {
    make: () => chain(20_000, (emit, a, b) => void emit.op("Identity", [a], {}, { outputs: [b] })),
  },
  "doublings-5000": {
    make: () => chain(5000, (emit, a, b) => void emit.op("Add", [a, a], {}, { outputs: [b] })),
  },
  "reshapes-10000": {
    make: () =>
      chain(10_000, (emit, a, b) => {
        emit.op("Reshape", [a, emit.constant(ints([-1, 4]), "s")], {}, { outputs: [b] });
      }),
  },
  "products-3000": {
    make: () =>
      chain(3000, (emit, a, b, i) => {
        emit.graph.initializers.set(`w${i}`, eye);
        emit.op("MatMul", [a, `w${i}`], {}, { outputs: [b] });
      }),
  },
  "batch-norms-3000": { make: () => chain(3000, batchNorms, ["N", 1, 4, 4]) },
  "same-names-20000": { make: sameNames },
  "constants-20000": { make: constants },
  "outputs-5000": {
    make: () => {
      const model = chain(5000, (emit, _a, b) => void emit.op("Relu", ["x"], {}, { outputs: [b] }));
      model.graph.outputs = model.graph.nodes.map(({ outputs }) => ({
        name: outputs[0] ?? "",
        type: undefined,
      }));
      return model;
    },
  },
};

const repeated = (count: number, bytes: Uint8Array): Uint8Array => {
  const all = new Uint8Array(count * bytes.byteLength);
  for (let i = 0; i < count; i++) all.set(bytes, i * bytes.byteLength);
  return all;
};

const relu = graphFields([node("Relu", "x", "y")]);

/** An unread constant of type `code`, whose `count` values take one byte each in the packed field `id`. */
const packed = (count: number, code: number, id: number): Uint8Array =>
  modelOfFields(
    Buffer.concat([
      relu,
      field(
        5,
        Buffer.concat([
          number(1, count),
          number(2, code),
          field(8, "w"),
          field(id, new Uint8Array(count).fill(1)),
        ]),
      ),
    ]),
  );

/** An unread Constant whose list of integers is not packed: two bytes each. */
const listed = (count: number): Uint8Array =>
  modelOfFields(
    Buffer.concat([
      relu,
      field(
        1,
        Buffer.concat([
          field(2, "q"),
          field(4, "Constant"),
          field(5, Buffer.concat([field(1, "value_ints"), number(20, 7), repeated(count, number(8, 1))])),
        ]),
      ),
    ]),
  );

const strings = (count: number): Uint8Array =>
  modelOfFields(
    Buffer.concat([
      relu,
      field(
        5,
        Buffer.concat([number(1, count), number(2, 8), field(8, "w"), repeated(count, field(6, "a"))]),
      ),
    ]),
  );

const metadata = (count: number): Uint8Array =>
  modelOfFields(
    relu,
    Buffer.concat(
      Array.from({ length: count }, (_, i) => field(14, Buffer.concat([field(1, String(i)), field(2, "v")]))),
    ),
  );

const files: Record<string, { bytes: () => Uint8Array; answer?: string }> = {
  "integers-60m": { bytes: () => packed(60_000_000, 7, 7) },
  "small-integers-60m": { bytes: () => packed(60_000_000, 3, 5) },
  "listed-integers-20m": { bytes: () => listed(20_000_000) },
  "strings-2m": { bytes: () => strings(2_000_000) },
  "empty-nodes-5m": {
    bytes: () => modelOfFields(repeated(5_000_000, Uint8Array.of(0x0a, 0))),
    answer: "model/too-many-parts",
  },
  "unknown-fields-5m": {
    bytes: () =>
      modelOfFields(
        Buffer.concat([repeated(5_000_000, Buffer.concat([varint(2047 << 3), Uint8Array.of(0)])), relu]),
      ),
    answer: "model/too-many-parts",
  },
  "metadata-300000": { bytes: () => metadata(300_000) },
};

export const large: HostileModel[] = [
  ...Object.entries(graphs).map(([name, { make, ...rest }]) => ({
    name: `large-${name}`,
    bytes: () => encodeModel(make()),
    slow: name !== "relus-2000",
    ...rest,
  })),
  ...Object.entries(files).map(([name, rest]) => ({ name: `large-${name}`, slow: true, ...rest })),
];
