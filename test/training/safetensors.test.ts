import { expect, test } from "vitest";
import { UserError } from "../../src/errors.ts";
import { floats, ints, scalar, tensorOf } from "../../src/tensor/tensor.ts";
import { decodeSafetensors, encodeSafetensors } from "../../src/training/checkpoint/safetensors.ts";

const file = {
  tensors: new Map([
    ["codes", tensorOf("int8", [3], Int8Array.of(-1, 0, 127))],
    ["rows", ints([3, 1])],
    ["empty", floats([], [0, 5])],
    ["scalar", scalar(0.25)],
    ["ä.weight", floats([1, 2, 3, 4], [2, 2])],
  ]),
  metadata: { note: "x" },
};
const encoded = (): Uint8Array => new Uint8Array(Buffer.concat(encodeSafetensors(file)));

test("decodes what it encodes, with every tensor aligned", () => {
  const { tensors, metadata } = decodeSafetensors(encoded(), "file");
  expect(metadata).toEqual({ note: "x" });
  expect([...tensors.keys()].sort()).toEqual([...file.tensors.keys()].sort());
  for (const [name, tensor] of file.tensors) {
    const read = tensors.get(name);
    expect(read?.dtype).toBe(tensor.dtype);
    expect(read?.dims).toEqual(tensor.dims);
    expect(Buffer.from(read?.bytes ?? []).equals(Buffer.from(tensor.bytes))).toBe(true);
  }
  expect((tensors.get("rows")?.bytes.byteOffset ?? 1) % 8).toBe(0);
  expect((tensors.get("scalar")?.bytes.byteOffset ?? 1) % 4).toBe(0);
});

test("the header is what the format says", () => {
  const bytes = encoded();
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length))) as Record<
    string,
    unknown
  >;
  expect(header["rows"]).toEqual({ dtype: "I64", shape: [2], data_offsets: [0, 16] });
  expect(length % 8).toBe(0);
});

const withHeader = (header: unknown, data = 0): Uint8Array => {
  const json = Buffer.from(JSON.stringify(header));
  const bytes = Buffer.alloc(8 + json.length + data);
  bytes.writeBigUInt64LE(BigInt(json.length));
  json.copy(bytes, 8);
  return bytes;
};

test.each([
  ["too short", new Uint8Array(4)],
  ["header cut off", encoded().subarray(0, 40)],
  ["data cut off", encoded().subarray(0, encoded().length - 1)],
  ["not JSON", Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 0, 0, 0]), Buffer.from("}{")])],
  ["a list", withHeader([1])],
  ["unknown type", withHeader({ a: { dtype: "Q7", shape: [1], data_offsets: [0, 1] } }, 1)],
  ["negative shape", withHeader({ a: { dtype: "I8", shape: [-1], data_offsets: [0, 1] } }, 1)],
  ["reversed offsets", withHeader({ a: { dtype: "I8", shape: [1], data_offsets: [1, 0] } }, 1)],
  ["outside", withHeader({ a: { dtype: "I8", shape: [9], data_offsets: [0, 9] } }, 1)],
  ["size mismatch", withHeader({ a: { dtype: "F32", shape: [1], data_offsets: [0, 1] } }, 1)],
])("refuses a file with %s", (_what, bytes) => {
  expect(() => decodeSafetensors(bytes, "file.safetensors")).toThrow(UserError);
  expect(() => decodeSafetensors(bytes, "file.safetensors")).toThrow(/safetensors/);
});
