/** Small facts about decoded protobuf messages: 64-bit integers, presence, unknown fields, errors with a place. */
import { modelError, type UserError } from "../errors.ts";
import type { Encoded } from "../ir/model.ts";
import { fieldNumbers, type Int64, type MessageName } from "./proto/schema.ts";

/** Where a model comes from, for messages and for external data. */
export interface Source {
  /** Path of the file, when there is one. */
  file?: string | undefined;
  /** Folder that external data lies in; without it external data is refused. */
  directory?: string | undefined;
}

/** "model.onnx: node 3 (Conv)", or only the place when the bytes have no file. */
function placeIn(source: Source, place: string): string {
  return source.file === undefined ? place : place === "" ? source.file : `${source.file}: ${place}`;
}

/** The remedy for files that no exporter should have written. */
export const exportAgain = "The file is damaged or was written wrongly; export the model again.";

export function decodeError(
  source: Source,
  code: string,
  what: string,
  place: string,
  hint: string,
): UserError {
  return modelError(code, what, placeIn(source, place), hint);
}

export function bigIntOf(value: Int64): bigint {
  if (value.high === 0 && value.low >= 0 && value.low < 128) return smallBigInts[value.low] as bigint;
  const low = BigInt(value.low >>> 0);
  return (BigInt(value.unsigned ? value.high >>> 0 : value.high) << 32n) | low;
}

export function int64Of(value: bigint | number): Int64 {
  const bits = BigInt(value);
  return {
    low: Number(BigInt.asIntN(32, bits)),
    high: Number(BigInt.asIntN(32, bits >> 32n)),
    unsigned: false,
  };
}

/** A 64-bit integer as a number when that loses nothing. */
export function safeNumberOf(value: Int64): number | undefined {
  const number = Number(bigIntOf(value));
  return Number.isSafeInteger(number) ? number : undefined;
}

/** Small integers, shared: a list may hold millions. */
const smallBigInts: readonly bigint[] = Array.from({ length: 128 }, (_, value) => BigInt(value));

/** A plain Uint8Array over the same memory (protobufjs hands out Buffers, whose `slice` does not copy). */
export function plainView(bytes: Uint8Array): Uint8Array {
  if (!Buffer.isBuffer(bytes)) return bytes;
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Whether the file holds the field at all, even with its default value. */
export function isPresent<T extends object>(message: T, field: keyof T): boolean {
  return Object.hasOwn(message, field) && message[field] !== null;
}

/** Tag of a length-delimited field. */
function fieldNumberOf(field: Uint8Array): number {
  let tag = 0;
  for (let i = 0; i < 5; i++) {
    const byte = field[i] ?? 0;
    tag += (byte & 127) * 2 ** (7 * i);
    if (byte < 128) break;
  }
  return Math.floor(tag / 8);
}

/**
 * What a decoded message keeps besides its meaning: unknown fields, and the fields among `watched` that are
 * present with an empty string. Throws when a field that the message knows has another wire type, or holds an enum
 * value that does not exist (protobuf leaves both among the unknown fields).
 */
export function encodedPart<T extends { $unknowns?: Uint8Array[] }>(
  name: MessageName,
  message: T,
  watched: readonly (keyof T & string)[],
  source: Source,
  place: string,
): Encoded {
  const explicitDefaults = watched.filter((field) => message[field] === "" && Object.hasOwn(message, field));
  const unknownFields = message.$unknowns?.map(plainView);
  for (const field of unknownFields ?? []) {
    const number = fieldNumberOf(field);
    if (!(fieldNumbers[name] as readonly number[]).includes(number)) continue;
    const what = `Field ${number} of ${name} has a wire type or a value that ONNX does not define; the file is not ONNX, newer, or damaged`;
    throw decodeError(source, "wire-type", what, place, "Export or download the model again.");
  }
  return {
    ...(unknownFields === undefined ? {} : { unknownFields }),
    ...(explicitDefaults.length === 0 ? {} : { explicitDefaults }),
  };
}

/** `value` when it must be written: not the default, or spelled out in the file it came from. */
export function textField<K extends string>(
  key: K,
  value: string,
  explicitDefaults: readonly string[] | undefined,
): Partial<Record<K, string>> {
  if (value === "" && explicitDefaults?.includes(key) !== true) return {};
  return { [key]: value } as Record<K, string>;
}

/** Unknown fields in the form that the generated encoders write back. */
export function unknownsOf(object: Encoded): { $unknowns?: Uint8Array[] } {
  return object.unknownFields === undefined ? {} : { $unknowns: object.unknownFields };
}
