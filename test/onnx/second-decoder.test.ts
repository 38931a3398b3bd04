/**
 * onnx-proto 8.0.1 as a second decoder that shares no code and no schema with ours. It stops at ONNX 1.10, so the
 * models of IR 8 and below with element types up to bfloat16 are compared.
 */
import onnxProto from "onnx-proto";
import { describe, expect, test } from "vitest";
import type { Attribute, Graph, Node } from "../../src/ir/model.ts";
import { decodeModel, encodeModel } from "../../src/onnx/index.ts";
import { dataTypes } from "../../src/tensor/data-type.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { readContainer } from "../support/model-container.ts";

const { onnx } = onnxProto;
type IGraph = onnxProto.onnx.IGraphProto;
type INode = onnxProto.onnx.INodeProto;
type IAttribute = onnxProto.onnx.IAttributeProto;
type ITensor = onnxProto.onnx.ITensorProto;

const hex = (bytes: Uint8Array | null | undefined): string => Buffer.from(bytes ?? []).toString("hex");
const text = (value: unknown): string => String(value);

/** What both decoders say about a graph, in one form. */
function describeOurs(graph: Graph): unknown {
  return {
    name: graph.name,
    inputs: graph.inputs.map(({ name }) => name),
    outputs: graph.outputs.map(({ name }) => name),
    initializers: [...graph.initializers].map(([name, tensor]) => ({ name, ...describeTensor(tensor) })),
    nodes: graph.nodes.map((node: Node) => ({
      name: node.name,
      operator: [node.domain, node.opType],
      inputs: node.inputs,
      outputs: node.outputs,
      attributes: [...node.attributes].map(([name, attribute]) => [name, describeAttribute(attribute)]),
    })),
  };
}

const describeTensor = (tensor: Tensor) => ({
  type: dataTypes[tensor.dtype].code,
  dims: tensor.dims.map(text),
  data: tensor.strings ? tensor.strings.map(hex) : hex(tensor.bytes),
});

function describeAttribute(attribute: Attribute): unknown {
  switch (attribute.type) {
    case "float":
      return attribute.value;
    case "int":
      return text(attribute.value);
    case "string":
      return hex(attribute.value);
    case "tensor":
      return describeTensor(attribute.value);
    case "graph":
      return describeOurs(attribute.value);
    case "floats":
      return attribute.value;
    case "ints":
      return attribute.value.map(text);
    case "strings":
      return attribute.value.map(hex);
    case "graphs":
      return attribute.value.map(describeOurs);
    default:
      return attribute.type;
  }
}

function describeTheirs(graph: IGraph): unknown {
  return {
    name: graph.name,
    inputs: graph.input?.map(({ name }) => name),
    outputs: graph.output?.map(({ name }) => name),
    initializers: graph.initializer?.map((tensor) => ({ name: tensor.name, ...describeTheirTensor(tensor) })),
    nodes: graph.node?.map((node: INode) => ({
      name: node.name,
      operator: [node.domain, node.opType],
      inputs: node.input,
      outputs: node.output,
      attributes: node.attribute?.map((attribute) => [attribute.name, describeTheirAttribute(attribute)]),
    })),
  };
}

function describeTheirTensor(tensor: ITensor) {
  return {
    type: tensor.dataType,
    dims: tensor.dims?.map(text),
    data: tensor.dataType === 8 ? tensor.stringData?.map(hex) : hex(theirBytes(tensor)),
  };
}

/** Packs typed fields for the types that occur, in a way of its own: one element at a time through a DataView. */
function theirBytes(tensor: ITensor): Uint8Array {
  if (tensor.rawData?.length) return tensor.rawData;
  const put = <T>(
    values: readonly T[],
    size: number,
    write: (view: DataView, at: number, value: T) => void,
  ) => {
    const view = new DataView(new ArrayBuffer(values.length * size));
    values.forEach((value, i) => write(view, i * size, value));
    return new Uint8Array(view.buffer);
  };
  switch (tensor.dataType) {
    case 1:
      return put(tensor.floatData ?? [], 4, (view, at, value) => view.setFloat32(at, value, true));
    case 11:
      return put(tensor.doubleData ?? [], 8, (view, at, value) => view.setFloat64(at, value, true));
    case 7:
      return put(tensor.int64Data ?? [], 8, (view, at, value) =>
        view.setBigInt64(at, BigInt(text(value)), true),
      );
    case 6:
      return put(tensor.int32Data ?? [], 4, (view, at, value) => view.setInt32(at, value, true));
    case 4:
    case 5:
    case 10:
    case 16:
      return put(tensor.int32Data ?? [], 2, (view, at, value) => view.setUint16(at, value & 0xffff, true));
    case 2:
    case 3:
    case 9:
      return put(tensor.int32Data ?? [], 1, (view, at, value) => view.setUint8(at, value & 0xff));
    case 12:
      return put(tensor.uint64Data ?? [], 4, (view, at, value) =>
        view.setUint32(at, Number(text(value)), true),
      );
    case 13:
      return put(tensor.uint64Data ?? [], 8, (view, at, value) =>
        view.setBigUint64(at, BigInt(text(value)), true),
      );
    case 14:
      return put(tensor.floatData ?? [], 4, (view, at, value) => view.setFloat32(at, value, true));
    case 15:
      return put(tensor.doubleData ?? [], 8, (view, at, value) => view.setFloat64(at, value, true));
    default:
      throw new Error(`element type ${tensor.dataType}`);
  }
}

/** By attribute type code. */
const theirs: Record<number, [label: string, read: (attribute: IAttribute) => unknown]> = {
  1: ["float", ({ f }) => f],
  2: ["int", ({ i }) => text(i)],
  3: ["string", ({ s }) => hex(s)],
  4: ["tensor", ({ t }) => describeTheirTensor(t ?? {})],
  5: ["graph", ({ g }) => describeTheirs(g ?? {})],
  6: ["floats", ({ floats }) => floats],
  7: ["ints", ({ ints }) => ints?.map(text)],
  8: ["strings", ({ strings }) => strings?.map(hex)],
  9: ["tensors", () => "tensors"],
  10: ["graphs", ({ graphs }) => graphs?.map(describeTheirs)],
  11: ["sparse", () => "sparse"],
  12: ["sparses", () => "sparses"],
  13: ["type", () => "type"],
  14: ["types", () => "types"],
};

const describeTheirAttribute = (attribute: IAttribute): unknown =>
  theirs[attribute.type ?? 0]?.[1](attribute);

function readable(bytes: Uint8Array): boolean {
  return decodeModel(bytes).irVersion <= 8;
}

describe("onnx-proto reads what we read, and what we write", () => {
  test.each(["fixtures/backend-suite/models.bin.gz", "fixtures/codec-models/models.bin.gz"])(
    "%s",
    async (fixture) => {
      let compared = 0;
      for (const [name, bytes] of await readContainer(fixture)) {
        // The made models are IR 12; onnx-proto knows the fields that the tensors among them use, up to bfloat16.
        const type = Object.entries(onnx.TensorProto.DataType).find(([key]) => name.endsWith(`/${key}`));
        if (!readable(bytes) && type === undefined) continue;
        const model = decodeModel(bytes);
        const ours = describeOurs(model.graph);
        expect(ours, name).toEqual(describeTheirs(onnx.ModelProto.decode(bytes).graph ?? {}));
        const written = onnx.ModelProto.decode(encodeModel(model));
        expect(describeTheirs(written.graph ?? {}), name).toEqual(ours);
        expect(written.metadataProps.map(({ key }) => key)).toEqual([...model.metadata.keys()]);
        compared++;
      }
      expect(compared).toBeGreaterThanOrEqual(fixture.includes("backend") ? 900 : 32);
    },
  );
});
