import type { DataType } from "../tensor/data-type.ts";
import type { Tensor } from "../tensor/tensor.ts";

/**
 * The intermediate representation: ONNX's own structure as plain data, without protobuf. Values are
 * identified by name within a graph, as in ONNX; "" stands for an absent optional input or output.
 * Passes take a model and return a new one; they never change what they were given (see clone.ts).
 * `unknownFields` keeps protobuf fields that this version does not know, byte for byte. `explicitDefaults` names
 * ONNX fields that the file spelled out although they hold their default (an empty string, say), so that a model
 * written back equals the one read; whoever makes an object leaves it out.
 */
export interface Model extends Encoded {
  /** Version of the file format, 3 to 14. */
  irVersion: number;
  /** The tool that wrote the file. */
  producerName: string;
  /** The tool's version. */
  producerVersion: string;
  /** Reverse domain name of who publishes the model, or "". */
  domain: string;
  /** Version of the model itself. */
  modelVersion: number;
  /** Description for people. */
  docString: string;
  /** Operator set versions by domain; "" is the default ONNX domain ("ai.onnx" is read as ""). */
  opsets: Map<string, number>;
  /** What is computed; nodes are in topological order once a model is prepared. */
  graph: Graph;
  /** Texts by key. */
  metadata: Map<string, string>;
  /** Operators that the model itself defines. */
  functions: FunctionDef[];
  /** Besides unknown fields: training info and device configurations, untouched, as the bytes of their fields. */
  unknownFields?: Uint8Array[];
}

/** What an object keeps of its encoding, beyond its meaning. */
export interface Encoded {
  /** Protobuf fields that this version does not know, byte for byte. */
  unknownFields?: Uint8Array[];
  /** ONNX fields that the file spelled out although they hold their default. */
  explicitDefaults?: readonly string[];
}

export interface Graph extends Encoded {
  name: string;
  docString: string;
  nodes: Node[];
  inputs: Value[];
  outputs: Value[];
  /** Constants by value name. A name may also be a graph input (a default that callers can override). */
  initializers: Map<string, Tensor>;
  /** Facts about initializers that are not their values (doc string, metadata), by name. */
  initializerInfo: Map<string, TensorInfo>;
  sparseInitializers: SparseTensor[];
  /** Known types of inner values by name; inputs and outputs carry their own. */
  valueInfo: Map<string, Value>;
  quantizationAnnotations: QuantizationAnnotation[];
  metadata: Map<string, string>;
}

export interface Value extends Encoded {
  name: string;
  type: ValueType | undefined;
  docString?: string;
  metadata?: Map<string, string>;
}

/** A dimension: a size, a symbol, or undefined where nothing is known. */
export type Dim = number | string | undefined;

export interface TensorValueType extends Encoded {
  kind: "tensor" | "sparse";
  dtype: DataType;
  /** undefined: rank unknown. */
  shape: Dim[] | undefined;
  /** Denotations of dimensions (rare), by index; and of the type. */
  dimDenotations?: Map<number, string>;
  denotation?: string;
}
export interface ContainerValueType extends Encoded {
  kind: "sequence" | "optional" | "map";
  element: ValueType | undefined;
  /** Key type of a map. */
  key?: DataType;
  denotation?: string;
}
export interface OpaqueValueType extends Encoded {
  kind: "opaque";
  domain: string;
  name: string;
  denotation?: string;
}
/** A type whose element type or kind the file leaves open; kept as the bytes of its TypeProto. */
export interface UntypedValueType {
  kind: "untyped";
  encoded: Uint8Array;
}
export type ValueType = TensorValueType | ContainerValueType | OpaqueValueType | UntypedValueType;

export interface TensorInfo extends Encoded {
  docString?: string;
  metadata?: Map<string, string>;
}

/** Values at the places that `indices` names: [n] linear positions, or [n, rank] coordinates. */
export interface SparseTensor extends Encoded {
  name: string;
  values: Tensor;
  indices: Tensor;
  dims: number[];
  valuesInfo?: TensorInfo;
  indicesInfo?: TensorInfo & { name?: string };
}

export interface QuantizationAnnotation extends Encoded {
  tensorName: string;
  /** Roles ("SCALE_TENSOR", "ZERO_POINT_TENSOR") to value names. */
  parameters: Map<string, string>;
}

export interface Node extends Encoded {
  /** May be empty in source models; `nameNodes` gives every node a unique one. */
  name: string;
  opType: string;
  /** "" is the default ONNX domain. */
  domain: string;
  overload: string;
  inputs: string[];
  outputs: string[];
  attributes: Map<string, Attribute>;
  docString: string;
  metadata: Map<string, string>;
}

export type AttributeValue =
  | { type: "float"; value: number }
  | { type: "int"; value: bigint }
  | { type: "string"; value: Uint8Array }
  | { type: "tensor"; value: Tensor; info?: TensorInfo & { name?: string } }
  | { type: "graph"; value: Graph }
  | { type: "sparse"; value: SparseTensor }
  | { type: "type"; value: ValueType | undefined }
  | { type: "floats"; value: number[] }
  | { type: "ints"; value: bigint[] }
  | { type: "strings"; value: Uint8Array[] }
  | { type: "tensors"; value: { tensor: Tensor; info?: TensorInfo & { name?: string } }[] }
  | { type: "graphs"; value: Graph[] }
  | { type: "sparses"; value: SparseTensor[] }
  | { type: "types"; value: (ValueType | undefined)[] }
  /** Inside a function: the value comes from the caller's attribute of name `ref`; `declared` is its ONNX type code. */
  | { type: "ref"; ref: string; declared: number };

export type Attribute = AttributeValue & { docString?: string } & Encoded;

export interface FunctionDef extends Encoded {
  name: string;
  domain: string;
  overload: string;
  docString: string;
  inputs: string[];
  outputs: string[];
  /** Attribute names without, and with, a default. */
  attributeNames: string[];
  attributeDefaults: Map<string, Attribute>;
  nodes: Node[];
  opsets: Map<string, number>;
  valueInfo: Map<string, Value>;
  metadata: Map<string, string>;
}
