import { BufferReader } from "protobufjs/minimal.js";
import type { Int64, TensorProto } from "./proto/schema.ts";

/**
 * Largest counts in one file. What decoding takes is then bounded, also of a file that is nothing but empty nodes: a
 * hundred times the nodes that the largest networks have.
 */
export const fileLimits = { nodes: 500_000, messages: 3_000_000, unknownFields: 100_000 } as const;

/** Thrown where a file goes beyond one of the limits. */
export class FileLimitError extends Error {
  readonly what: string;
  constructor(what: string) {
    super(what);
    this.what = what;
  }
}

/** Small 64-bit integers, shared: a file may hold millions. */
const smallInts: readonly Int64[] = Array.from({ length: 128 }, (_, low) =>
  Object.freeze({ low, high: 0, unsigned: false }),
);

/** Reads protobuf messages, keeps unknown fields, leaves packed tensor data as it is, and counts what it reads. */
export class ModelReader extends BufferReader {
  override discardUnknown = false;
  #nodes = 0;
  #messages = 0;
  #unknown = 0;

  /** The file without Node's Buffer around it: a file may hold millions of strings. */
  readonly #plain: Uint8Array;

  constructor(bytes: Uint8Array) {
    super(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    this.#plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  override raw(start: number, end: number): Buffer {
    return this.#plain.subarray(start, end) as Buffer;
  }

  /** Called by the decoders for every message. */
  enter(name: string): void {
    if (++this.#messages > fileLimits.messages) throw new FileLimitError(`${fileLimits.messages} parts`);
    if (name === "NodeProto" && ++this.#nodes > fileLimits.nodes)
      throw new FileLimitError(`${fileLimits.nodes} nodes`);
  }

  /** Called by the decoders for packed tensor data, which are decoded when their type is known. */
  packed(
    message: TensorProto,
    field: "floatData" | "int32Data" | "int64Data" | "doubleData" | "uint64Data",
  ): void {
    const kept = (message.$packed ??= {});
    (kept[field] ??= []).push(this.bytes());
  }

  override int64(): ReturnType<BufferReader["int64"]> {
    const byte = this.pos < this.len ? this.buf[this.pos] : undefined;
    if (byte === undefined || byte > 127) return super.int64();
    this.pos++;
    return smallInts[byte] as unknown as ReturnType<BufferReader["int64"]>;
  }

  /** Counts a field that no decoder knows. */
  override skipType(wireType: number, depth?: number, fieldNumber?: number): this {
    if (++this.#unknown > fileLimits.unknownFields)
      throw new FileLimitError(`${fileLimits.unknownFields} fields that ONNX does not define`);
    return super.skipType(wireType, depth, fieldNumber) as this;
  }
}
