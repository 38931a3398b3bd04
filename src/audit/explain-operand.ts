import { dequantizerOf, named, sourceOf } from "../quantization/targets/quantized-view.ts";
import type { AuditView } from "./audit-view.ts";
import { bitsOf, type Codes, codesOf } from "./codes.ts";

/** What keeps an activation, under its name in the file, from being read as codes. */
export function explainOperand(name: string, view: AuditView): string[] {
  const { graph, target } = view;
  const dequantizer = dequantizerOf(view, name);
  if (dequantizer === undefined) {
    // Constants beside codes are quantized by the runtime, or are codes of their own.
    if (graph.initializers.has(name)) return [`its operand "${name}" is a float constant`];
    return [`its input "${name}" is float: ${whyFloat([name], view)}`];
  }
  return explainCodes(`its input "${name}"`, codesOf(view, dequantizer), target);
}

/** Why a value, or one of several, is not read out of codes. */
export function whyFloat(names: readonly string[], view: AuditView): string {
  const sources = names.map((name) => {
    const source = sourceOf(view, name);
    return source === undefined ? view.given : named(source);
  });
  return `no quantizer stands behind ${[...new Set(sources)].join(" or ")}`;
}

/** What is wrong with the codes of an activation, `what` in the sentence. */
export function explainCodes(what: string, codes: Codes, target: AuditView["target"]): string[] {
  const { dtype, axis, zeroPoint } = codes;
  const { signed, symmetric } = target.activations;
  if (dtype === undefined) return [`the type of the codes of ${what} is not known`];
  if (bitsOf(dtype) !== 8)
    return [`${what} has codes of ${dtype}; the integer kernels of ${target.runtime} take 8 bits`];
  const causes: string[] = [];
  if (axis !== undefined) causes.push(`${what} has one scale per channel; activations have one in all`);
  if (symmetric && zeroPoint?.some((value) => value !== 0) === true)
    causes.push(`${what} has the zero point ${zeroPoint[0]}; ${target.runtime} takes 0 alone`);
  if (signed && dtype !== "int8") causes.push(`${what} has codes of ${dtype}; ${target.runtime} takes int8`);
  return causes;
}
