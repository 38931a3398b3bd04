import type { GradientBuilder } from "../gradient-builder.ts";
import type { Operand } from "./operands.ts";

/** Codes of an operand, moved as the float value was. */
export function moveCodes(b: GradientBuilder, { codes, moves }: Pick<Operand, "codes" | "moves">): string {
  return moves.reduce((value, { node, output }) => {
    const inputs = [value, ...node.inputs.slice(1)];
    const attributes = Object.fromEntries(node.attributes);
    return b.outputs(node.opType, inputs, attributes, node.outputs.length)[output] as string;
  }, codes);
}
