import type { IntegerAnnotation } from "../quantization/rules/rule.ts";
import { dequantizerOf, quantizes, readersOf } from "../quantization/targets/quantized-view.ts";
import type { Node } from "../ir/model.ts";
import { type AuditView, inFile } from "./audit-view.ts";
import { codesOf } from "./codes.ts";
import { quantizerBefore } from "./float-graph.ts";

/**
 * Codes of several types around one kernel, which has to have one. On x64, ONNX Runtime makes uint8 of int8 codes first,
 * but only of those that one node reads.
 */
export function explainTypes(
  node: Node,
  { inputs, outputs }: Pick<IntegerAnnotation, "inputs" | "outputs">,
  view: AuditView,
): string[] {
  const reads = inputs.flatMap((name) => {
    const dequantizer = dequantizerOf(view, inFile(node, name, view));
    if (dequantizer === undefined) return [];
    const what = `its input "${inFile(node, name, view)}"`;
    // Constants have no QuantizeLinear, and stay as they are.
    return [{ what, quantizer: quantizerBefore(view, dequantizer) ?? dequantizer }];
  });
  const writes = outputs.flatMap((name) =>
    readersOf(view, name)
      .filter(quantizes)
      .map((quantizer) => ({ what: `its output "${name}"`, quantizer })),
  );
  const typed = [...reads, ...writes].map(({ what, quantizer }) => ({
    what,
    ...typeInKernel(quantizer, view),
  }));
  const [first, ...rest] = typed;
  const other = rest.find(({ type }) => type !== first?.type);
  if (first === undefined || other === undefined) return [];
  const describe = ({ what, type, kept, made }: (typeof typed)[number]): string =>
    `${what} has ${kept ? `int8 codes ${kept}, which stay int8` : made ? "int8 codes, which become uint8" : `${type} codes`}`;
  return [`its codes are of two types: ${describe(first)}, ${describe(other)}`];
}

/** The type of a quantizer's codes in the kernels around it. */
function typeInKernel(
  quantizer: Node,
  view: AuditView,
): { type: string | undefined; kept: string | undefined; made: boolean } {
  const { dtype } = codesOf(view, quantizer);
  const rewrites = view.target.audited && process.arch === "x64" && dtype === "int8";
  if (!quantizes(quantizer))
    return { type: dtype, kept: rewrites ? "of a constant" : undefined, made: false };
  const dequantizers = readersOf(view, quantizer.outputs[0]);
  const readers = dequantizers.flatMap(({ outputs }) => readersOf(view, outputs[0]));
  const made = rewrites && dequantizers.length < 2 && readers.length < 2;
  return { type: made ? "uint8" : dtype, kept: rewrites && !made ? "with several readers" : undefined, made };
}
