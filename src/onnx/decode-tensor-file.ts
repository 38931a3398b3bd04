import { Reader } from "protobufjs/minimal.js";
import type { Tensor } from "../tensor/tensor.ts";
import { decodeTensor } from "./decode-tensor.ts";
import { codecs, type TensorProto } from "./proto/schema.ts";
import { decodeError } from "./wire.ts";

/** Decodes a file that holds one tensor (`input_0.pb` of an ONNX test data set). Throws model/* errors that name it. */
export function decodeTensorFile(bytes: Uint8Array, file: string): { name: string; tensor: Tensor } {
  let message: TensorProto;
  try {
    message = codecs.TensorProto.decode(Reader.create(bytes));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const hint = "Write the file with onnx.numpy_helper.from_array(...).SerializeToString().";
    throw decodeError({ file }, "tensor-file", `The file does not hold an ONNX tensor: ${reason}`, "", hint);
  }
  return { name: message.name ?? "", tensor: decodeTensor(message, { file }, "") };
}
