import type { Node } from "../ir/model.ts";
import type { IntegerAnnotation } from "../quantization/rules/rule.ts";
import { dequantizerOf, quantizes, readersOf } from "../quantization/targets/quantized-view.ts";
import { type AuditView, inFile } from "./audit-view.ts";
import { codesOf } from "./codes.ts";

/** What keeps a layer's bias from being part of its integer kernel. */
export function explainBias(node: Node, annotation: IntegerAnnotation, view: AuditView): string[] {
  const { bias, outputs, outputRequired } = annotation;
  if (bias === undefined) return [];
  const { target } = view;
  const name = inFile({ name: bias.node }, bias.name, view);
  const dequantizer = dequantizerOf(view, name);
  if (target.bias === "float")
    return dequantizer === undefined ? [] : [`its bias "${name}" is codes; ${target.runtime} takes floats`];
  if (dequantizer === undefined) {
    // Where codes follow, the runtime makes an int32 bias itself.
    const quantized = outputs.some((output) => readersOf(view, output).some(quantizes));
    return quantized || outputRequired
      ? []
      : [
          `its bias "${name}" is float and its result is not quantized; ${target.runtime} needs one of the two`,
        ];
  }
  const { dtype } = codesOf(view, dequantizer);
  return dtype === "int32" || bias.node !== node.name
    ? []
    : [`its bias "${name}" has codes of ${dtype ?? "an unknown type"}, not int32`];
}
