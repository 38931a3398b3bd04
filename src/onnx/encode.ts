import { modelError } from "../errors.ts";
import type { Graph, Model } from "../ir/model.ts";
import { byteLength } from "../tensor/data-type.ts";
import { elementCount, type Tensor } from "../tensor/tensor.ts";
import { encodeFunction, encodeGraphRest, encodeNode, encodeOpsets } from "./encode-graph.ts";
import { encodeEntries, encodeTensor, encodeTensorHeader } from "./encode-tensor.ts";
import { isExternal, readPieces, type ExternalRange } from "./external-data.ts";
import { codecs, type GraphProto, type ModelProto, type TensorProto } from "./proto/schema.ts";
import { int64Of, textField, unknownsOf } from "./wire.ts";

/** A stretch of an encoded model: bytes, or a stretch of another file that is copied when writing. */
export type Part = Uint8Array | ExternalRange;

/** Where initializers go that do not stay in the model file, by name. */
export type Placement = ReadonlyMap<string, { location: string; offset: number; length: number }>;

/** Protobuf cannot hold more than this in one message. */
export const protobufLimit = 2 ** 31 - 1;

/** Bytes of weights from which a model is not one message: 64 MiB are left for nodes, types and names. */
export const weightsLimit = protobufLimit - 2 ** 26;

/** Initializers from this size on are not copied into intermediate buffers. */
const partThreshold = 4096;

export const partLength = (part: Part): number =>
  part instanceof Uint8Array ? part.byteLength : part.length;

/** Bytes of a tensor when packed, without reading external data. */
export function storedLength(tensor: Tensor): number {
  return isExternal(tensor) ? tensor.external.length : byteLength(tensor.dtype, elementCount(tensor.dims));
}

/**
 * Encodes a model with all its data inside; large initializers are copied once. The same model gives the same
 * bytes. Throws model/too-large above 2 GiB, protobuf's limit.
 */
export function encodeModel(model: Model): Uint8Array {
  const parts = encodeParts(model);
  const total = parts.reduce((sum, part) => sum + partLength(part), 0);
  if (total > protobufLimit) {
    const hint = "Save it with saveModel, which puts the weights into a file of their own.";
    throw modelError(
      "too-large",
      `The model needs ${total} bytes, and one file holds at most 2 GiB`,
      undefined,
      hint,
    );
  }
  const bytes = new Uint8Array(total);
  let at = 0;
  for (const part of parts) {
    for (const piece of part instanceof Uint8Array ? [part] : readPieces(part, 2 ** 24)) {
      bytes.set(piece, at);
      at += piece.byteLength;
    }
  }
  return bytes;
}

/** The encoded model in order, large initializers as views of their own memory. */
export function encodeParts(model: Model, placement: Placement = new Map()): Part[] {
  const graph = encodeGraphParts(model.graph, placement);
  const length = graph.reduce((sum, part) => sum + partLength(part), 0);
  return [
    encodeModelMessage(encodeHead(model)),
    lengthPrefix(7, length),
    ...graph,
    encodeModelMessage(encodeTail(model)),
  ];
}

const encodeModelMessage = (message: ModelProto): Uint8Array => codecs.ModelProto.encode(message).finish();
const encodeGraphMessage = (message: GraphProto): Uint8Array => codecs.GraphProto.encode(message).finish();

function encodeHead(model: Model): ModelProto {
  const spelled = model.explicitDefaults;
  return {
    ...(model.irVersion !== 0 || spelled?.includes("irVersion")
      ? { irVersion: int64Of(model.irVersion) }
      : {}),
    ...textField("producerName", model.producerName, spelled),
    ...textField("producerVersion", model.producerVersion, spelled),
    ...textField("domain", model.domain, spelled),
    ...(model.modelVersion !== 0 || spelled?.includes("modelVersion")
      ? { modelVersion: int64Of(model.modelVersion) }
      : {}),
    ...textField("docString", model.docString, spelled),
  };
}

function encodeTail(model: Model): ModelProto {
  return {
    opsetImport: encodeOpsets(model.opsets, model.explicitDefaults),
    metadataProps: encodeEntries(model.metadata),
    functions: model.functions.map(encodeFunction),
    ...unknownsOf(model),
  };
}

function encodeGraphParts(graph: Graph, placement: Placement): Part[] {
  const parts: Part[] = [encodeGraphMessage({ node: graph.nodes.map(encodeNode) })];
  for (const [name, tensor] of graph.initializers) {
    const info = graph.initializerInfo.get(name);
    const place = placement.get(name);
    if (place) {
      const message = { ...encodeTensorHeader(tensor, name, info), ...externalFields(place) };
      parts.push(encodeGraphMessage({ initializer: [message] }));
    } else if (tensor.dtype === "string" || storedLength(tensor) < partThreshold) {
      parts.push(encodeGraphMessage({ initializer: [encodeTensor(tensor, name, info)] }));
    } else {
      parts.push(...encodeLargeInitializer(tensor, encodeTensorHeader(tensor, name, info)));
    }
  }
  return [...parts, encodeGraphMessage(encodeGraphRest(graph))];
}

function encodeLargeInitializer(tensor: Tensor, header: TensorProto): Part[] {
  const head = codecs.TensorProto.encode(header).finish();
  const data: Part = isExternal(tensor) ? tensor.external : tensor.bytes;
  const dataPrefix = lengthPrefix(9, partLength(data));
  const length = head.byteLength + dataPrefix.byteLength + partLength(data);
  return [lengthPrefix(5, length), head, dataPrefix, data];
}

function externalFields(place: { location: string; offset: number; length: number }): TensorProto {
  const entries = new Map([
    ["location", place.location],
    ["offset", String(place.offset)],
    ["length", String(place.length)],
  ]);
  return { dataLocation: 1, externalData: encodeEntries(entries) };
}

/** Tag of a length-delimited field and the length, as protobuf varints. */
function lengthPrefix(field: number, length: number): Uint8Array {
  const bytes = [(field << 3) | 2];
  let rest = length;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Uint8Array.from([...bytes, rest]);
}
