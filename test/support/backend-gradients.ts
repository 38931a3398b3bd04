import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import type { DataType } from "../../src/tensor/data-type.ts";
import { readNumbers } from "../../src/tensor/read-numbers.ts";
import { floats, type Tensor, tensorOfBytes } from "../../src/tensor/tensor.ts";

/** What PyTorch autograd says of a node test, as scripts/fixtures/backend_gradients.py writes it. */
export interface BackendCase {
  name: string;
  feeds: Record<string, Tensor>;
  /** The float outputs that the loss is made of. */
  outputs: { name: string; seed: number }[];
  /** Of each float input the norm of its gradient, and its inner products with vectors of signs. */
  inputs: { name: string; norm: number; slopes: { value: number; seed: number }[] }[];
}

interface Packed {
  tensors: { dtype: DataType; stored: DataType; shape: number[]; data: string }[];
  cases: {
    name: string;
    feeds: Record<string, number>;
    outputs: [string, number][];
    inputs: Record<string, { norm: number; slopes: number[] }>;
  }[];
  excluded: Record<string, string[]>;
}

export function readBackendCases(): { cases: BackendCase[]; excluded: Record<string, string[]> } {
  const packed = JSON.parse(
    gunzipSync(readFileSync("fixtures/backend-suite/gradients.json.gz")).toString(),
  ) as Packed;
  const tensors = packed.tensors.map(({ dtype, stored, shape, data }) => {
    const tensor = tensorOfBytes(stored, shape, new Uint8Array(Buffer.from(data, "base64")));
    return stored === dtype ? tensor : floats(readNumbers(tensor), shape);
  });
  const cases = packed.cases.map(({ name, feeds, outputs, inputs }) => ({
    name,
    feeds: Object.fromEntries(Object.entries(feeds).map(([input, at]) => [input, tensors[at] as Tensor])),
    outputs: outputs.map(([output, index]) => ({ name: output, seed: 1000 + index })),
    inputs: Object.entries(inputs).map(([input, { norm, slopes }], index) => ({
      name: input,
      norm,
      slopes: slopes.map((value, direction) => ({ value, seed: 100 * index + direction })),
    })),
  }));
  return { cases, excluded: packed.excluded };
}

/** The same numbers as the script's, in [0, 2**32). */
function generate(count: number, seed: number): number[] {
  let state = Number((BigInt(seed) * 2654435761n + 12345n) % 2n ** 32n);
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state;
  });
}

/** A vector of 1 and -1. */
export const signs = (count: number, seed: number): number[] =>
  generate(count, seed).map((value) => (value >= 2 ** 31 ? 1 : -1));

/** What an output's elements are multiplied by in the loss, in [-1, 1). */
export const probe = (count: number, seed: number): number[] =>
  generate(count, seed).map((value) => value / 2 ** 31 - 1);
