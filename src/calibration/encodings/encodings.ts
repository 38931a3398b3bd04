import type { ValueRange } from "../../tensor/affine.ts";

/** The codes of one tensor, or of one row of a weight: a value is (code + offset) * scale, with codes from 0 on. */
export interface Encoding {
  bits: number;
  scale: number;
  /** An integer, mostly negative: the zero point of unsigned codes with its sign changed. */
  offset: number;
  /** Zero is the middle code. */
  symmetric: boolean;
}

/** What other tools' files say of a model's values and weights, by name. */
export interface Encodings {
  ranges: Map<string, ValueRange>;
  /** One entry for the whole weight, or one for each row. */
  weights: Map<string, Encoding[]>;
}

/** The values that codes reach; of symmetric ones as far up as down, as the lowest code is left out. */
export function rangeOf({ bits, scale, offset, symmetric }: Encoding): ValueRange {
  const top = symmetric ? (2 ** (bits - 1) - 1) * scale : (offset + 2 ** bits - 1) * scale;
  return { min: symmetric ? -top : offset * scale, max: top };
}
