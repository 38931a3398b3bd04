import type { Node } from "../ir/model.ts";
import { shapeOf } from "../ir/value-types.ts";
import type { IntegerAnnotation } from "../quantization/rules/rule.ts";
import { dequantizerOf } from "../quantization/targets/quantized-view.ts";
import { useOf } from "../quantization/targets/target.ts";
import { type AuditView, inFile } from "./audit-view.ts";
import { bitsOf, codesOf } from "./codes.ts";

/** What keeps a layer's weight from being read as codes. */
export function explainWeight(node: Node, { weight }: IntegerAnnotation, view: AuditView): string[] {
  if (weight === undefined) return [];
  const { target } = view;
  const name = inFile(node, weight.name, view);
  const dequantizer = dequantizerOf(view, name);
  if (dequantizer === undefined) return [`its weight "${name}" is float`];
  const { dtype, axis, block, parameters } = codesOf(view, dequantizer);
  const what = `its weight "${name}"`;
  const causes: string[] = [];
  if (dtype !== undefined && bitsOf(dtype) !== 8)
    causes.push(`${what} has codes of ${dtype}; the integer kernels of ${target.runtime} take 8 bits`);
  if (!view.graph.initializers.has(parameters[0]))
    causes.push(`the scale of ${what} is computed by the graph, not a constant`);
  if (block > 0)
    causes.push(`${what} has one scale per block of ${block}; integer kernels take one per channel`);
  else if (axis !== undefined && axis !== weight.axis)
    causes.push(
      `${what} has one scale per index of axis ${axis}; its output channels are axis ${weight.axis}`,
    );
  else if (axis !== undefined && useOf(target, node.opType)?.granularity === "tensor")
    causes.push(`${what} has one scale per channel; ${target.runtime} takes one in all`);
  return causes;
}

/** Whether the scales of a weight stand along another axis than that of its output channels. */
export function wrongAxis(node: Node, { weight }: IntegerAnnotation, view: AuditView): string | undefined {
  if (weight === undefined) return undefined;
  const name = inFile(node, weight.name, view);
  const dequantizer = dequantizerOf(view, name);
  if (dequantizer === undefined || shapeOf(view.graph, name) === undefined) return undefined;
  const { axis, block } = codesOf(view, dequantizer);
  if (axis === undefined || axis === weight.axis || block > 0) return undefined;
  return `the scales of its weight "${name}" stand along axis ${axis}, its output channels along axis ${weight.axis}`;
}
