// Generated from proto/onnx.proto by scripts/generate-proto.ts; do not edit.
import type { Reader, Writer } from "protobufjs";
import { onnx } from "./onnx.js";

/** A 64-bit integer as two halves of 32 bits. */
export interface Int64 {
  low: number;
  high: number;
  unsigned: boolean;
}

export interface Codec<T> {
  encode(message: T, writer?: Writer): Writer;
  decode(reader: Reader | Uint8Array, length?: number): T;
}

export interface ModelProto {
  irVersion?: Int64;
  opsetImport?: OperatorSetIdProto[];
  producerName?: string;
  producerVersion?: string;
  domain?: string;
  modelVersion?: Int64;
  docString?: string;
  graph?: GraphProto;
  metadataProps?: StringStringEntryProto[];
  trainingInfo?: TrainingInfoProto[];
  functions?: FunctionProto[];
  configuration?: DeviceConfigurationProto[];
  $unknowns?: Uint8Array[];
}

export interface OperatorSetIdProto {
  domain?: string;
  version?: Int64;
  $unknowns?: Uint8Array[];
}

export interface StringStringEntryProto {
  key?: string;
  value?: string;
  $unknowns?: Uint8Array[];
}

export interface TrainingInfoProto {
  initialization?: GraphProto;
  algorithm?: GraphProto;
  initializationBinding?: StringStringEntryProto[];
  updateBinding?: StringStringEntryProto[];
  $unknowns?: Uint8Array[];
}

export interface FunctionProto {
  name?: string;
  input?: string[];
  output?: string[];
  attribute?: string[];
  attributeProto?: AttributeProto[];
  node?: NodeProto[];
  docString?: string;
  opsetImport?: OperatorSetIdProto[];
  domain?: string;
  overload?: string;
  valueInfo?: ValueInfoProto[];
  metadataProps?: StringStringEntryProto[];
  $unknowns?: Uint8Array[];
}

export interface GraphProto {
  node?: NodeProto[];
  name?: string;
  initializer?: TensorProto[];
  sparseInitializer?: SparseTensorProto[];
  docString?: string;
  input?: ValueInfoProto[];
  output?: ValueInfoProto[];
  valueInfo?: ValueInfoProto[];
  quantizationAnnotation?: TensorAnnotation[];
  metadataProps?: StringStringEntryProto[];
  $unknowns?: Uint8Array[];
}

export interface NodeProto {
  input?: string[];
  output?: string[];
  name?: string;
  opType?: string;
  domain?: string;
  overload?: string;
  attribute?: AttributeProto[];
  docString?: string;
  metadataProps?: StringStringEntryProto[];
  deviceConfigurations?: NodeDeviceConfigurationProto[];
  $unknowns?: Uint8Array[];
}

export interface AttributeProto {
  name?: string;
  refAttrName?: string;
  docString?: string;
  type?: number;
  f?: number;
  i?: Int64;
  s?: Uint8Array;
  t?: TensorProto;
  g?: GraphProto;
  sparseTensor?: SparseTensorProto;
  tp?: TypeProto;
  floats?: number[];
  ints?: Int64[];
  strings?: Uint8Array[];
  tensors?: TensorProto[];
  graphs?: GraphProto[];
  sparseTensors?: SparseTensorProto[];
  typeProtos?: TypeProto[];
  $unknowns?: Uint8Array[];
}

export interface ValueInfoProto {
  name?: string;
  type?: TypeProto;
  docString?: string;
  metadataProps?: StringStringEntryProto[];
  $unknowns?: Uint8Array[];
}

export interface TensorAnnotation {
  tensorName?: string;
  quantParameterTensorNames?: StringStringEntryProto[];
  $unknowns?: Uint8Array[];
}

export interface TensorProto {
  dims?: Int64[];
  dataType?: number;
  segment?: TensorProto_Segment;
  floatData?: number[];
  int32Data?: number[];
  stringData?: Uint8Array[];
  int64Data?: Int64[];
  name?: string;
  docString?: string;
  rawData?: Uint8Array;
  externalData?: StringStringEntryProto[];
  dataLocation?: number;
  doubleData?: number[];
  uint64Data?: Int64[];
  metadataProps?: StringStringEntryProto[];
  $unknowns?: Uint8Array[];
  $packed?: Partial<Record<string, Uint8Array[]>>;
}

export interface TensorProto_Segment {
  begin?: Int64;
  end?: Int64;
  $unknowns?: Uint8Array[];
}

export interface SparseTensorProto {
  values?: TensorProto;
  indices?: TensorProto;
  dims?: Int64[];
  $unknowns?: Uint8Array[];
}

export interface TensorShapeProto {
  dim?: TensorShapeProto_Dimension[];
  $unknowns?: Uint8Array[];
}

export interface TensorShapeProto_Dimension {
  dimValue?: Int64;
  dimParam?: string;
  denotation?: string;
  $unknowns?: Uint8Array[];
}

export interface TypeProto {
  tensorType?: TypeProto_Tensor;
  sequenceType?: TypeProto_Sequence;
  mapType?: TypeProto_Map;
  optionalType?: TypeProto_Optional;
  sparseTensorType?: TypeProto_SparseTensor;
  opaqueType?: TypeProto_Opaque;
  denotation?: string;
  $unknowns?: Uint8Array[];
}

export interface TypeProto_Tensor {
  elemType?: number;
  shape?: TensorShapeProto;
  $unknowns?: Uint8Array[];
}

export interface TypeProto_Sequence {
  elemType?: TypeProto;
  $unknowns?: Uint8Array[];
}

export interface TypeProto_Map {
  keyType?: number;
  valueType?: TypeProto;
  $unknowns?: Uint8Array[];
}

export interface TypeProto_Optional {
  elemType?: TypeProto;
  $unknowns?: Uint8Array[];
}

export interface TypeProto_SparseTensor {
  elemType?: number;
  shape?: TensorShapeProto;
  $unknowns?: Uint8Array[];
}

export interface TypeProto_Opaque {
  domain?: string;
  name?: string;
  $unknowns?: Uint8Array[];
}

export interface DeviceConfigurationProto {
  name?: string;
  numDevices?: number;
  device?: string[];
  $unknowns?: Uint8Array[];
}

export interface NodeDeviceConfigurationProto {
  configurationId?: string;
  shardingSpec?: ShardingSpecProto[];
  pipelineStage?: number;
  $unknowns?: Uint8Array[];
}

export interface ShardingSpecProto {
  tensorName?: string;
  device?: Int64[];
  indexToDeviceGroupMap?: IntIntListEntryProto[];
  shardedDim?: ShardedDimProto[];
  $unknowns?: Uint8Array[];
}

export interface ShardedDimProto {
  axis?: Int64;
  simpleSharding?: SimpleShardedDimProto[];
  $unknowns?: Uint8Array[];
}

export interface SimpleShardedDimProto {
  dimValue?: Int64;
  dimParam?: string;
  numShards?: Int64;
  $unknowns?: Uint8Array[];
}

export interface IntIntListEntryProto {
  key?: Int64;
  value?: Int64[];
  $unknowns?: Uint8Array[];
}

export const codecs = {
  ModelProto: onnx.ModelProto as Codec<ModelProto>,
  OperatorSetIdProto: onnx.OperatorSetIdProto as Codec<OperatorSetIdProto>,
  StringStringEntryProto: onnx.StringStringEntryProto as Codec<StringStringEntryProto>,
  TrainingInfoProto: onnx.TrainingInfoProto as Codec<TrainingInfoProto>,
  FunctionProto: onnx.FunctionProto as Codec<FunctionProto>,
  GraphProto: onnx.GraphProto as Codec<GraphProto>,
  NodeProto: onnx.NodeProto as Codec<NodeProto>,
  AttributeProto: onnx.AttributeProto as Codec<AttributeProto>,
  ValueInfoProto: onnx.ValueInfoProto as Codec<ValueInfoProto>,
  TensorAnnotation: onnx.TensorAnnotation as Codec<TensorAnnotation>,
  TensorProto: onnx.TensorProto as Codec<TensorProto>,
  TensorProto_Segment: onnx.TensorProto.Segment as Codec<TensorProto_Segment>,
  SparseTensorProto: onnx.SparseTensorProto as Codec<SparseTensorProto>,
  TensorShapeProto: onnx.TensorShapeProto as Codec<TensorShapeProto>,
  TensorShapeProto_Dimension: onnx.TensorShapeProto.Dimension as Codec<TensorShapeProto_Dimension>,
  TypeProto: onnx.TypeProto as Codec<TypeProto>,
  TypeProto_Tensor: onnx.TypeProto.Tensor as Codec<TypeProto_Tensor>,
  TypeProto_Sequence: onnx.TypeProto.Sequence as Codec<TypeProto_Sequence>,
  TypeProto_Map: onnx.TypeProto.Map as Codec<TypeProto_Map>,
  TypeProto_Optional: onnx.TypeProto.Optional as Codec<TypeProto_Optional>,
  TypeProto_SparseTensor: onnx.TypeProto.SparseTensor as Codec<TypeProto_SparseTensor>,
  TypeProto_Opaque: onnx.TypeProto.Opaque as Codec<TypeProto_Opaque>,
  DeviceConfigurationProto: onnx.DeviceConfigurationProto as Codec<DeviceConfigurationProto>,
  NodeDeviceConfigurationProto: onnx.NodeDeviceConfigurationProto as Codec<NodeDeviceConfigurationProto>,
  ShardingSpecProto: onnx.ShardingSpecProto as Codec<ShardingSpecProto>,
  ShardedDimProto: onnx.ShardedDimProto as Codec<ShardedDimProto>,
  SimpleShardedDimProto: onnx.SimpleShardedDimProto as Codec<SimpleShardedDimProto>,
  IntIntListEntryProto: onnx.IntIntListEntryProto as Codec<IntIntListEntryProto>,
};

/** Numbers of the fields that each message has. */
export const fieldNumbers = {
  ModelProto: [1, 2, 3, 4, 5, 6, 7, 8, 14, 20, 25, 26],
  OperatorSetIdProto: [1, 2],
  StringStringEntryProto: [1, 2],
  TrainingInfoProto: [1, 2, 3, 4],
  FunctionProto: [1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14],
  GraphProto: [1, 2, 5, 10, 11, 12, 13, 14, 15, 16],
  NodeProto: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
  AttributeProto: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 20, 21, 22, 23],
  ValueInfoProto: [1, 2, 3, 4],
  TensorAnnotation: [1, 2],
  TensorProto: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16],
  TensorProto_Segment: [1, 2],
  SparseTensorProto: [1, 2, 3],
  TensorShapeProto: [1],
  TensorShapeProto_Dimension: [1, 2, 3],
  TypeProto: [1, 4, 5, 6, 7, 8, 9],
  TypeProto_Tensor: [1, 2],
  TypeProto_Sequence: [1],
  TypeProto_Map: [1, 2],
  TypeProto_Optional: [1],
  TypeProto_SparseTensor: [1, 2],
  TypeProto_Opaque: [1, 2],
  DeviceConfigurationProto: [1, 2, 3],
  NodeDeviceConfigurationProto: [1, 2, 3],
  ShardingSpecProto: [1, 2, 3, 4],
  ShardedDimProto: [1, 2],
  SimpleShardedDimProto: [1, 2, 3],
  IntIntListEntryProto: [1, 2],
} as const;

export type MessageName = keyof typeof fieldNumbers;
