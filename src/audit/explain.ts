import type { Node } from "../ir/model.ts";
import { rowOf } from "../ops/catalogue/catalogue.ts";
import { floatReason } from "../quantization/rules/float-operators.ts";
import type { IntegerAnnotation } from "../quantization/rules/rule.ts";
import { isDequantized, named, sourceOf } from "../quantization/targets/quantized-view.ts";
import { type AuditView, inFile } from "./audit-view.ts";
import { explainTypes } from "./code-types.ts";
import { explainBias } from "./explain-bias.ts";
import { explainOperand, whyFloat } from "./explain-operand.ts";
import { explainMovement, explainOutput, explainSaturation } from "./explain-output.ts";
import { explainWeight } from "./explain-weight.ts";

/**
 * Why a node of a quantized graph is not computed on integers, in words; undefined where the file has all that the target
 * needs for its integer kernel.
 */
export function explainFloat(node: Node, view: AuditView): string | undefined {
  const causes = causesOf(node, view);
  return causes.length === 0 ? undefined : [...new Set(causes)].join("; ");
}

function causesOf(node: Node, view: AuditView): string[] {
  const annotation = view.annotations.get(node.name);
  const sum = view.absorbed.get(node.name);
  const product = accumulatorBefore(node, view);
  if (product !== undefined)
    return [`it is a step from the sums of integer products of ${named(product)} to floats`];
  if (sum !== undefined && !addsToCodes(node, sum.annotation, view))
    return explainSum(view.nodes.get(sum.product) as Node, sum.annotation, view);
  if (sum !== undefined) return explainKernel(node, sumOfCodes(node), view);
  switch (annotation?.kind) {
    case "integer":
      return explainKernel(node, annotation, view);
    case "carry":
      return explainMovement(annotation, node, view);
    case "saturate":
    case "kept":
      return explainSaturation(node, view);
    case "float":
      return [optimizedBefore(node) ?? annotation.reason];
    default:
      return rowOf(node)?.kind === "codes" ? [] : [floatReason(node, view.target)];
  }
}

/** What makes floats of the sums of an integer product, as dynamic quantization has it: the last is the bias. */
const stepsToFloats = ["Cast", "Mul", "Add"];

/** The product on integers whose sums a node helps to turn into floats. */
function accumulatorBefore(node: Node, view: AuditView): Node | undefined {
  let last = stepsToFloats.indexOf(node.opType);
  let level = [node];
  while (last >= 0) {
    const before = level.flatMap(({ inputs }) => inputs.flatMap((name) => sourceOf(view, name) ?? []));
    const product = before.find((each) => rowOf(each)?.writes === "accumulator");
    if (product !== undefined) return last === 0 ? product : undefined;
    last--;
    level = before.filter(({ opType }) => opType === stepsToFloats[last]);
  }
  return undefined;
}

/** Kernels of a float graph that ONNX Runtime optimized before it was written. */
function optimizedBefore(node: Node): string | undefined {
  const row = rowOf(node);
  if (node.domain === "" || row?.kind !== "product" || row.note !== undefined) return undefined;
  return `${node.opType} is a float kernel that an optimized file holds: quantizers fuse with the operators of ONNX alone`;
}

/** What a product, sum, pool or the like lacks of what its integer kernel reads and writes. */
function explainKernel(node: Node, annotation: IntegerAnnotation, view: AuditView): string[] {
  const [first] = unquantized(node, annotation, view);
  if (first !== undefined) return [first];
  const operands = annotation.inputs.flatMap((name) => explainOperand(inFile(node, name, view), view));
  const weight = explainWeight(node, annotation, view);
  const bias = explainBias(node, annotation, view);
  const [output = ""] = annotation.outputs;
  const result = annotation.outputRequired ? explainOutput(output, view) : [];
  const causes = [...operands, ...weight, ...bias, ...result];
  return causes.length > 0 ? causes : explainTypes(node, annotation, view);
}

/** The reason of a node that reads no codes at all. */
function unquantized(node: Node, { inputs, weight }: IntegerAnnotation, view: AuditView): string[] {
  const names = [...inputs, ...(weight === undefined ? [] : [weight.name])];
  const values = names.map((name) => inFile(node, name, view));
  if (values.some((name) => isDequantized(view, name))) return [];
  const operands = inputs.filter((name) => !view.graph.initializers.has(name));
  return [
    `nothing that it reads is quantized: ${whyFloat(
      operands.map((name) => inFile(node, name, view)),
      view,
    )}`,
  ];
}

/** Whether the product in front of the Add of its bias has a quantizer of its own, so that the Add is a kernel by itself. */
const addsToCodes = ({ inputs }: Node, { bias }: IntegerAnnotation, view: AuditView): boolean =>
  inputs.some((input) => input !== bias?.name && isDequantized(view, input));

/** What an Add by itself reads and writes. */
const sumOfCodes = ({ inputs, outputs }: Node): IntegerAnnotation => ({
  kind: "integer",
  inputs: [...inputs],
  outputs: [...outputs],
  outputRequired: true,
  eager: false,
});

/** Why the sum of a matrix product and its bias is computed in float. */
function explainSum(product: Node, annotation: IntegerAnnotation, view: AuditView): string[] {
  const causes = explainKernel(product, annotation, view);
  if (causes.length > 0)
    return [`it adds the bias of ${named(product)}, which is float: ${causes.join("; ")}`];
  return [
    `it adds the bias of ${named(product)} to floats: the two are one integer kernel only where the matrix has two dimensions, or all its dimensions are fixed`,
  ];
}
