/** Codes as ONNX packs 4-bit elements: two per byte, the first in the low nibble. */
export function packInt4(codes: ArrayLike<number>): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(codes.length / 2));
  for (let i = 0; i < codes.length; i++) {
    const nibble = (codes[i] as number) & 15;
    bytes[i >> 1] = (bytes[i >> 1] as number) | (i % 2 === 0 ? nibble : nibble << 4);
  }
  return bytes;
}
