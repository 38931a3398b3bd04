import fc from "fast-check";
import { attributesOf } from "../../src/ir/attributes.ts";
import { createGraph, createModel } from "../../src/ir/graph.ts";
import type { Attribute, Dim, Graph, Model, Node, Value, ValueType } from "../../src/ir/model.ts";
import { byteLength, dataTypes, type DataType } from "../../src/tensor/data-type.ts";
import { elementCount, type Tensor } from "../../src/tensor/tensor.ts";

const text = fc.oneof(fc.string({ maxLength: 8 }), fc.string({ unit: "grapheme", maxLength: 5 }));
const bytes = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length });
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const float32 = fc.float({ noNaN: false });

const dtype = fc.constantFrom(...(Object.keys(dataTypes) as DataType[]));
const dims = fc.array(fc.nat({ max: 4 }), { maxLength: 3 });

const tensor: fc.Arbitrary<Tensor> = fc.tuple(dtype, dims).chain(([type, shape]): fc.Arbitrary<Tensor> => {
  const count = elementCount(shape);
  if (type !== "string")
    return bytes(byteLength(type, count)).map((data) => ({ dtype: type, dims: shape, bytes: data }));
  return fc
    .array(fc.uint8Array({ maxLength: 4 }), { minLength: count, maxLength: count })
    .map((strings) => ({ dtype: type, dims: shape, bytes: new Uint8Array(0), strings }));
});

const dim: fc.Arbitrary<Dim> = fc.oneof(fc.nat(), fc.constantFrom("N", "height"), fc.constant(undefined));

const valueType: fc.Arbitrary<ValueType> = fc.letrec<{ type: ValueType }>((tie) => ({
  type: fc.oneof(
    { maxDepth: 2 },
    fc.record({
      kind: fc.constant("tensor" as const),
      dtype,
      shape: fc.option(fc.array(dim, { maxLength: 3 }), { nil: undefined }),
    }),
    fc.record({ kind: fc.constant("sparse" as const), dtype, shape: fc.array(dim, { maxLength: 3 }) }),
    fc.record({
      kind: fc.constantFrom("sequence" as const, "optional" as const),
      element: fc.option(tie("type"), { nil: undefined }),
    }),
    fc.record({
      kind: fc.constant("map" as const),
      key: fc.constantFrom<DataType>("int64", "string"),
      element: tie("type"),
    }),
    fc.record({ kind: fc.constant("opaque" as const), domain: fc.constant("d"), name: text }),
  ),
})).type;

/** Graphs of up to three levels: the attributes of a node may hold graphs. */
const { graph } = fc.letrec<{ attribute: Attribute; node: Node; graph: Graph }>((tie) => ({
  attribute: fc.oneof(
    { maxDepth: 2, depthIdentifier: "graph" },
    fc.record({ type: fc.constant("float" as const), value: float32 }),
    fc.record({ type: fc.constant("int" as const), value: int64 }),
    fc.record({ type: fc.constant("string" as const), value: fc.uint8Array({ maxLength: 6 }) }),
    fc.record({ type: fc.constant("floats" as const), value: fc.array(float32, { maxLength: 4 }) }),
    fc.record({ type: fc.constant("ints" as const), value: fc.array(int64, { maxLength: 4 }) }),
    fc.record({
      type: fc.constant("strings" as const),
      value: fc.array(fc.uint8Array({ maxLength: 3 }), { maxLength: 3 }),
    }),
    fc.record({ type: fc.constant("tensor" as const), value: tensor }),
    fc.record({ type: fc.constant("types" as const), value: fc.array(valueType, { maxLength: 2 }) }),
    fc.record({ type: fc.constant("graph" as const), value: tie("graph") }),
    fc.record({ type: fc.constant("graphs" as const), value: fc.array(tie("graph"), { maxLength: 2 }) }),
  ),
  node: fc.record({
    name: text,
    opType: fc.constantFrom("Add", "If", "Custom"),
    domain: fc.constantFrom("", "com.example"),
    overload: fc.constantFrom("", "other"),
    inputs: fc.array(text, { maxLength: 3 }),
    outputs: fc.array(text, { maxLength: 2 }),
    attributes: fc
      .dictionary(fc.string({ minLength: 1, maxLength: 4 }), tie("attribute"), { maxKeys: 3 })
      .map(attributesOf),
    docString: text,
    metadata: fc.array(fc.tuple(text, text), { maxLength: 2 }).map((entries) => new Map(entries)),
  }),
  graph: fc
    .record({
      name: text,
      docString: text,
      nodes: fc.array(tie("node"), { maxLength: 3, depthIdentifier: "graph" }),
      initializers: fc.array(fc.tuple(text, tensor), { maxLength: 3, depthIdentifier: "graph" }),
      inputs: fc.array(fc.tuple(text, valueType), { maxLength: 2, depthIdentifier: "graph" }),
      infos: fc.array(fc.tuple(text, fc.option(valueType, { nil: undefined })), { maxLength: 2 }),
    })
    .map(({ name, docString, nodes, initializers, inputs, infos }): Graph => {
      const values = infos.map(([key, type]): [string, Value] => [key, { name: key, type }]);
      return {
        ...createGraph(name),
        docString,
        nodes,
        initializers: new Map(initializers),
        inputs: inputs.map(([key, type]) => ({ name: key, type })),
        valueInfo: new Map(values),
      };
    }),
}));

/** Models of any structure that ONNX can write down; their graphs need not make sense. */
export const randomModel: fc.Arbitrary<Model> = fc
  .record({ graph, producerName: text, modelVersion: fc.nat(), opset: fc.integer({ min: 1, max: 30 }) })
  .map(({ graph: top, producerName, modelVersion, opset }) => ({
    ...createModel(top, opset, [["com.example", 3]]),
    producerName,
    modelVersion,
  }));
