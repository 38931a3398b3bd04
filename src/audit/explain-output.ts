import type { Node } from "../ir/model.ts";
import { codeLimits } from "../ops/fake-quantizer.ts";
import { movementOf, rowOf } from "../ops/catalogue/catalogue.ts";
import type { Annotation } from "../quantization/rules/rule.ts";
import {
  dequantizerOf,
  named,
  quantizes,
  readersOf,
  sourceOf,
} from "../quantization/targets/quantized-view.ts";
import type { AuditView } from "./audit-view.ts";
import { explainTypes } from "./code-types.ts";
import { codesOf, sameCodes } from "./codes.ts";
import { explainCodes, explainOperand } from "./explain-operand.ts";

type Saturate = Extract<Annotation, { kind: "saturate" | "kept" }>;

/** What keeps a kernel that must write codes from doing so. */
export function explainOutput(output: string, view: AuditView): string[] {
  const readers = readersOf(view, output);
  const floats = readers.filter((reader) => !quantizes(reader));
  const [quantizer] = readers.filter(quantizes);
  if (view.index.outputs.has(output))
    return [
      `its output "${output}" is an output of the model, and read as floats ${quantizer === undefined ? "" : "before its quantizer"}`.trimEnd(),
    ];
  if (quantizer !== undefined && floats.length > 0)
    return [`its output "${output}" has a second reader beside the quantizer, in float: ${list(floats)}`];
  if (quantizer !== undefined)
    return explainCodes(`its output "${output}"`, codesOf(view, quantizer), view.target);
  const [reader] = floats;
  if (reader === undefined || floats.length > 1)
    return [`no quantizer stands behind its output "${output}"${readAs(floats)}`];
  const behind = behindSaturation(reader, view);
  if (behind !== undefined) return behind;
  return movementOf(reader) === undefined
    ? [`no quantizer stands behind its output "${output}"${readAs(floats)}`]
    : explainOutput(reader.outputs[0] as string, view);
}

const list = (nodes: readonly Node[]): string =>
  nodes.length <= 3
    ? nodes.map(named).join(", ")
    : `${nodes.slice(0, 2).map(named).join(", ")} and ${nodes.length - 2} more`;

const readAs = (nodes: readonly Node[]): string =>
  nodes.length === 0 ? "" : `, which ${list(nodes)} reads as floats`;

/** What keeps a Relu or Clip behind a kernel from going into the quantizer behind it; undefined for other operators. */
function behindSaturation(node: Node, view: AuditView): string[] | undefined {
  const annotation = view.annotations.get(node.name);
  if (annotation?.kind !== "saturate" && annotation?.kind !== "kept") return undefined;
  const [output = ""] = node.outputs;
  const causes = explainOutput(output, view);
  const quantizer = readersOf(view, output).find(quantizes);
  if (causes.length > 0 || quantizer === undefined) return causes;
  return cutsOff(annotation, quantizer, view) ? [`${unabsorbed(node, quantizer, view)}`] : [];
}

/** Whether bounds leave out values that the codes behind them hold. */
function cutsOff(annotation: Saturate, quantizer: Node, view: AuditView): boolean {
  const { dtype = "uint8", scale, zeroPoint } = codesOf(view, quantizer);
  const [least, most] = codeLimits[dtype] ?? [0, 0];
  const [step, zero] = [scale?.[0], zeroPoint?.[0]];
  if (step === undefined || zero === undefined) return true;
  const max = annotation.kind === "saturate" ? annotation.max : Infinity;
  return annotation.min > (least - zero) * step || max < (most - zero) * step;
}

function unabsorbed(node: Node, quantizer: Node, view: AuditView): string {
  const { dtype = "uint8", zeroPoint } = codesOf(view, quantizer);
  const [least] = codeLimits[dtype] ?? [0];
  return node.opType === "Relu"
    ? `the Relu "${node.name}" stands between it and its quantizer, whose zero point is ${zeroPoint?.[0]}: only with ${least}, the least ${dtype}, do the codes end at zero as the Relu does`
    : `the ${node.opType} "${node.name}" stands between it and its quantizer and cuts off values that the codes hold`;
}

/** Why a Relu or Clip is a float kernel of its own. */
export function explainSaturation(node: Node, view: AuditView): string[] {
  const [input = ""] = node.inputs;
  const dequantizer = dequantizerOf(view, input);
  const { runtime } = view.target;
  if (dequantizer !== undefined)
    return [
      `it stands between quantizers of its own, and ${runtime} has no integer ${node.opType}: without the pair in front of it the codes behind the layer would do the same`,
    ];
  const source = sourceOf(view, input);
  if (source === undefined) return [`it reads ${view.given}, which no quantizer could limit in its place`];
  return [`what it limits is float: it comes from ${named(source)}`];
}

/** Why what moves elements moves floats. */
export function explainMovement(
  annotation: Extract<Annotation, { kind: "carry" }>,
  node: Node,
  view: AuditView,
): string[] {
  const slot = rowOf(node)?.moves?.from;
  const name = node.inputs[slot === "all" ? 0 : (slot?.[0] ?? 0)] ?? annotation.input;
  const operand = explainOperand(name, view);
  if (operand.length > 0) return operand;
  const dequantizer = dequantizerOf(view, name) as Node;
  return annotation.outputs.flatMap((output) => {
    const readers = readersOf(view, output);
    const quantizer = readers.find(quantizes);
    if (quantizer === undefined)
      return [`what it moves is read as floats${readers.length === 0 ? "" : ` by ${list(readers)}`}`];
    if (!sameCodes(codesOf(view, dequantizer), codesOf(view, quantizer)))
      return [
        `the quantizer ${named(quantizer)} behind it has another scale, zero point or type than its input's`,
      ];
    const causes = explainOutput(output, view);
    return causes.length > 0 ? causes : explainTypes(node, { inputs: [name], outputs: [output] }, view);
  });
}
