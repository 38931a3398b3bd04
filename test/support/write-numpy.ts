import { writeFile } from "node:fs/promises";
import type { DataType } from "../../src/tensor/data-type.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { zipOf } from "./zip-files.ts";

const descriptions: Partial<Record<DataType, string>> = {
  float32: "<f4",
  int64: "<i8",
  uint8: "|u1",
  bool: "|b1",
};

/** A tensor as an .npy file of format 1. */
export function encodeNpy({ dtype, dims, bytes }: Tensor): Uint8Array {
  const shape = dims.length === 1 ? `(${dims[0]},)` : `(${dims.join(", ")})`;
  const header = `{'descr': '${descriptions[dtype]}', 'fortran_order': False, 'shape': ${shape}, }`;
  const padded = header.padEnd(Math.ceil((header.length + 11) / 64) * 64 - 11) + "\n";
  const start = Buffer.from([0x93, ...Buffer.from("NUMPY"), 1, 0, padded.length & 255, padded.length >> 8]);
  return Buffer.concat([start, Buffer.from(padded), bytes]);
}

/** Arrays by name as an .npz file. */
export async function writeNpz(path: string, arrays: Readonly<Record<string, Tensor>>): Promise<void> {
  const entries = Object.entries(arrays).map(([name, tensor]) => ({
    name: `${name}.npy`,
    content: encodeNpy(tensor),
  }));
  await writeFile(path, zipOf(...entries));
}
