import { BufferReader } from "protobufjs/minimal.js";
import type { Model } from "../ir/model.ts";
import { decodeEntries } from "./decode-tensor.ts";
import { decodeFunction, decodeOpsets } from "./decode-function.ts";
import { decodeGraph } from "./decode-graph.ts";
import { FileLimitError, ModelReader } from "./model-reader.ts";
import { codecs, type ModelProto } from "./proto/schema.ts";
import { decodeError, encodedPart, plainView, safeNumberOf, type Source } from "./wire.ts";

/** Where the bytes come from; both may be left out when the model has no external data. */
export interface DecodeOptions {
  /** Folder that external data files lie in. */
  directory?: string;
  /** File name for messages. */
  file?: string;
}

/**
 * Decodes an ONNX model. Weights are views into `bytes`, which must not change while the model is in use;
 * external data is checked now and read on first use. Throws model/* errors that name the place.
 *
 * Lost on the way to the IR and back: which field held a tensor's data (raw_data afterwards), all but the last of
 * metadata entries or value infos of the same name, fields of an attribute other than its type's, and unknown
 * fields below TypeProto and in key-value entries. Names that are not UTF-8 get replacement characters.
 */
export function decodeModel(bytes: Uint8Array, options: DecodeOptions = {}): Model {
  const message = decodeMessage(bytes, options);
  if (!message.graph) {
    const hint = "Give the path of an .onnx file that holds a model.";
    throw decodeError(options, "not-onnx", "The file is not an ONNX model: it holds no graph", "", hint);
  }
  const { opsets, explicitDefaults } = decodeOpsets(message.opsetImport, options, "opset imports");
  const fields = ["producerName", "producerVersion", "domain", "docString"] as const;
  const encoded = encodedPart("ModelProto", message, fields, options, "");
  const spelled = [...(encoded.explicitDefaults ?? []), ...explicitDefaults, ...zeroVersions(message)];
  const unknownFields = [...untouchedFields(message, bytes, options), ...(encoded.unknownFields ?? [])];
  return {
    irVersion: message.irVersion === undefined ? 0 : (safeNumberOf(message.irVersion) ?? 0),
    producerName: message.producerName ?? "",
    producerVersion: message.producerVersion ?? "",
    domain: message.domain ?? "",
    modelVersion: message.modelVersion === undefined ? 0 : (safeNumberOf(message.modelVersion) ?? 0),
    docString: message.docString ?? "",
    opsets,
    graph: decodeGraph(message.graph, options, ""),
    metadata: decodeEntries(message.metadataProps),
    functions: (message.functions ?? []).map((definition) => decodeFunction(definition, options)),
    ...(spelled.length > 0 ? { explicitDefaults: spelled } : {}),
    ...(unknownFields.length > 0 ? { unknownFields } : {}),
  };
}

/** Versions that the file gives as 0. */
function zeroVersions(message: ModelProto): string[] {
  return (["irVersion", "modelVersion"] as const).filter((field) => {
    const value = message[field];
    return Object.hasOwn(message, field) && value !== undefined && value.low === 0 && value.high === 0;
  });
}

/** Parts that nothing here looks into, as bytes; also a model version that no JavaScript number can hold. */
function untouchedFields(message: ModelProto, bytes: Uint8Array, source: Source): Uint8Array[] {
  refuseExternalTraining(message, source);
  const untouched = [fieldNumber.trainingInfo, fieldNumber.configuration];
  const parts = hasUntouched(message) ? fieldsOf(bytes, untouched) : [];
  if (message.modelVersion === undefined || safeNumberOf(message.modelVersion) !== undefined) return parts;
  const version = codecs.ModelProto.encode({ modelVersion: message.modelVersion }).finish();
  return [...parts, plainView(version)];
}

/** Source: onnx.proto, ModelProto. */
const fieldNumber = { trainingInfo: 20, configuration: 26 } as const;

const hasUntouched = ({ trainingInfo = [], configuration = [] }: ModelProto): boolean =>
  trainingInfo.length + configuration.length > 0;

/** The fields of a message that have one of the numbers, as they are, tags included. */
function fieldsOf(bytes: Uint8Array, numbers: readonly number[]): Uint8Array[] {
  const reader = new BufferReader(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  const fields: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const tag = reader.tag();
    reader.skipType(tag & 7, 0, tag >>> 3);
    if (numbers.includes(tag >>> 3)) fields.push(plainView(reader.raw(start, reader.pos)));
  }
  return fields.sort((a, b) => (a[0] as number) - (b[0] as number));
}

/** Training graphs are kept as bytes, so their external data would be lost when the model is saved elsewhere. */
function refuseExternalTraining(message: ModelProto, source: Source): void {
  const graphs = (message.trainingInfo ?? []).flatMap(({ initialization, algorithm }) => [
    initialization,
    algorithm,
  ]);
  const outside = graphs
    .flatMap((graph) => graph?.initializer ?? [])
    .find((tensor) => tensor.dataLocation === 1);
  if (outside === undefined) return;
  const what = "Training info with external data is not supported";
  const hint = "Remove the model's training_info, or store its tensors inside the file.";
  throw decodeError(
    source,
    "external-data",
    what,
    `training info, initializer "${outside.name ?? ""}"`,
    hint,
  );
}

function decodeMessage(bytes: Uint8Array, source: Source): ModelProto {
  if (bytes.byteLength === 0)
    throw decodeError(
      source,
      "empty",
      "The file is empty",
      "",
      "Give the path of an .onnx file that holds a model.",
    );
  try {
    return codecs.ModelProto.decode(new ModelReader(bytes));
  } catch (cause) {
    throw explainFailure(bytes, source, cause);
  }
}

/** Other formats, and the command that makes a model of theirs an ONNX model, where there is one. */
const otherFormats: readonly [name: string, offset: number, signature: string, command?: string][] = [
  ["a Python program", 0, "import ", "from-torch"],
  ["a Python program", 0, "from ", "from-torch"],
  ["a zip archive (a PyTorch checkpoint or .npz, perhaps)", 0, "PK\x03\x04", "from-torch"],
  ["ONNX Runtime's own .ort format", 4, "ORTM"],
  ["a TensorFlow Lite model", 4, "TFL3"],
  ["an HDF5 file (Keras, perhaps)", 0, "\x89HDF", "from-tf"],
  ["a GGUF file", 0, "GGUF"],
  ["a gzip file", 0, "\x1f\x8b"],
  ["a Git LFS pointer, not the file itself", 0, "version https://git-lfs"],
  ["an HTML page", 0, "<"],
  ["JSON text", 0, "{"],
];

function explainFailure(bytes: Uint8Array, source: Source, cause: unknown) {
  const head = Buffer.from(bytes.subarray(0, 32)).toString("latin1");
  const other = otherFormats.find(([, offset, signature]) => head.startsWith(signature, offset));
  if (other) {
    const [, , , command] = other;
    const by = command === undefined ? "" : `; \`efqat ${command}\` exports one in your Python`;
    const hint = `Export the model to ONNX and give the path of the .onnx file${by}.`;
    return decodeError(source, "not-onnx", `The file is not an ONNX model but ${other[0]}`, "", hint);
  }
  if (cause instanceof FileLimitError) {
    const what = `The file holds more than ${cause.what}`;
    return decodeError(
      source,
      "too-many-parts",
      what,
      "",
      "No network needs as many; export the model again.",
    );
  }
  const reason = cause instanceof Error ? cause.message : String(cause);
  if (reason === "max depth exceeded") {
    const what = "Graphs are nested too deep (more than 100 messages within each other)";
    return decodeError(source, "nesting", what, "", "Flatten the model's If, Loop and Scan bodies.");
  }
  const what = `The file is not an ONNX model, or it is truncated or damaged (${reason})`;
  return decodeError(source, "not-onnx", what, "", "Export or download the model again.");
}
