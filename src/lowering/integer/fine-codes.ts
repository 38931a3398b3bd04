import { createValue } from "../../ir/graph.ts";
import { staticShape } from "../../ir/value-types.ts";
import type { Node } from "../../ir/model.ts";
import type { FakeQuantizer } from "../../ops/fake-quantizer.ts";
import { tensorOfBytes } from "../../tensor/tensor.ts";
import type { GradientBuilder } from "../gradient-builder.ts";
import type { SavedActivation } from "./saved-activation.ts";

/** Fine codes per code of a 4-bit quantizer: 16 * 16 codes fill a byte. */
const factor = 16;

/** Whether a quantizer's codes, of one byte each, leave room for finer ones. */
export const leavesRoom = ({ qmin, qmax }: FakeQuantizer): boolean => (qmax - qmin + 1) * factor <= 256;

/**
 * Appends a second quantizer of x to the forward graph, for the backward to read: its codes f are sixteen times as fine, in
 * the same type, with those of the first in the middle.
 *
 * f = round(16*x/s) + 16*z + 8,   x within the bounds [(qmin - z)*s, (qmax - z)*s] where 16*qmin + 8 <= f <= 16*qmax + 8
 *
 * Returns its QuantizeLinear, and what stands for x.
 */
export function addFineQuantizer(
  b: GradientBuilder,
  q: FakeQuantizer,
): { quantize: Node; saved: SavedActivation } {
  const { emitter } = b;
  const { graph } = emitter;
  emitter.standFor(q.quantize, "/fine");
  const middle = factor / 2;
  const type = q.codeType;
  const scale = b.mul(q.scale, b.scalar(1 / factor));
  const zeroPoint =
    q.zeroPoint === undefined
      ? emitter.constant(tensorOfBytes(type, [], Uint8Array.of(middle)))
      : b.cast(b.add(b.mul(b.cast(q.zeroPoint, "float32"), b.scalar(factor)), b.scalar(middle)), type);
  const codes = b.op("QuantizeLinear", [q.x, scale, zeroPoint]);
  const quantize = graph.nodes.at(-1) as Node;
  const value = b.op("DequantizeLinear", [codes, scale, zeroPoint]);
  const shape = staticShape(graph, q.x);
  graph.valueInfo.set(codes, createValue(codes, type, shape));
  graph.valueInfo.set(value, createValue(value, "float32", shape));
  const [low, high] = [factor * q.qmin + middle - 1, factor * q.qmax + middle + 1];
  return { quantize, saved: { value, codes, low, high, fine: true } };
}
