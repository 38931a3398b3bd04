import { describe, expect, test } from "vitest";
import type { DataType } from "../../src/tensor/data-type.ts";
import { createElementReader, elementsOf } from "../../src/tensor/elements.ts";
import { decodeSmallFloat } from "../../src/tensor/small-float.ts";
import { tensorOf, type Tensor } from "../../src/tensor/tensor.ts";
import { requirePython, runPython } from "../support/python.ts";

/** Python's repr of a float, as a number. */
const parse = (text: string): number =>
  text === "nan" ? NaN : text.endsWith("inf") ? (text.startsWith("-") ? -Infinity : Infinity) : Number(text);

test("every bit pattern of the small floating-point types means what ml_dtypes says", async (context) => {
  const python = await requirePython(context, ["onnx==1.23.2"]);
  const expected = JSON.parse(await runPython(python, "test/tensor/python/small_floats.py")) as Record<
    string,
    string[]
  >;
  expect(Object.keys(expected)).toHaveLength(10);
  for (const [dtype, values] of Object.entries(expected)) {
    const decoded = values.map((_, bits) => decodeSmallFloat(dtype as DataType, bits));
    expect(decoded, dtype).toEqual(values.map(parse));
  }
});

describe("elements", () => {
  const bytes = Uint8Array.of(0x1e, 0xf7, 0x03, 0x80);
  const cases: [dtype: DataType, dims: number[], values: number[]][] = [
    ["uint2", [5], [2, 3, 1, 0, 3]],
    ["int2", [5], [-2, -1, 1, 0, -1]],
    ["uint4", [3], [14, 1, 7]],
    ["int4", [3], [-2, 1, 7]],
    ["float4e2m1", [2], [-4, 0.5]],
    ["float6e2m3", [4], [7, 6, -7.5, 0]],
    ["uint8", [4], [30, 247, 3, 128]],
    ["int8", [4], [30, -9, 3, -128]],
    ["bool", [1], [30]],
    ["uint16", [2], [0xf71e, 0x8003]],
    ["int16", [2], [0xf71e - 65536, 0x8003 - 65536]],
    ["uint32", [], [0x8003f71e]],
    ["int32", [], [0x8003f71e - 2 ** 32]],
  ];
  test.each(cases)("%s", (dtype, dims, values) => {
    const tensor: Tensor = { dtype, dims, bytes };
    expect(elementsOf(tensor)).toEqual(values);
  });

  test("types of 32 bits and more, at any offset in memory", () => {
    const shift = (tensor: Tensor): Tensor => {
      const moved = new Uint8Array(tensor.bytes.byteLength + 1);
      moved.set(tensor.bytes, 1);
      return { ...tensor, bytes: moved.subarray(1) };
    };
    expect(elementsOf(shift(tensorOf("float32", [2], Float32Array.of(0.5, -3))))).toEqual([0.5, -3]);
    expect(elementsOf(shift(tensorOf("float64", [1], Float64Array.of(0.1))))).toEqual([0.1]);
    expect(elementsOf(shift(tensorOf("int64", [2], BigInt64Array.of(-5n, 2n ** 40n))))).toEqual([
      -5,
      2 ** 40,
    ]);
    expect(elementsOf(shift(tensorOf("uint64", [1], BigUint64Array.of(2n ** 63n))))).toEqual([2 ** 63]);
    const complex = new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer);
    expect(elementsOf({ dtype: "complex64", dims: [2], bytes: complex })).toEqual([1, 3]);
    const read = createElementReader({
      dtype: "complex128",
      dims: [1],
      bytes: new Uint8Array(Float64Array.of(7, 8).buffer),
    });
    expect(read(0)).toBe(7);
  });
});
