import type { Node } from "../ir/model.ts";
import type { NodeReason } from "./audit-graphs.ts";
import { type AuditView, inFile } from "./audit-view.ts";
import { codesOf } from "./codes.ts";
import { wrongAxis } from "./explain-weight.ts";
import { dequantizerOf } from "../quantization/targets/quantized-view.ts";
import type { Verdict } from "./judge-nodes.ts";

/**
 * Nodes that run on an integer kernel which does not compute what the file says: ONNX Runtime fuses scales along another
 * axis than that of output channels, and several scales of an activation, as if they were none of its business.
 */
export function findFaults(view: AuditView, verdicts: ReadonlyMap<Node, Verdict>): NodeReason[] {
  return view.graph.nodes.flatMap((node) => {
    const annotation = view.annotations.get(node.name);
    if (annotation?.kind !== "integer" || verdicts.get(node)?.integer !== true) return [];
    const axis = wrongAxis(node, annotation, view);
    const several = annotation.inputs.find((name) => {
      const dequantizer = dequantizerOf(view, inFile(node, name, view));
      return dequantizer !== undefined && codesOf(view, dequantizer).axis !== undefined;
    });
    const reasons = [
      ...(axis === undefined ? [] : [axis]),
      ...(several === undefined
        ? []
        : [`its input "${inFile(node, several, view)}" has one scale per channel`]),
    ];
    return reasons.map((reason) => ({
      node: node.name,
      op: node.opType,
      reason: `${reason}; its integer kernel takes them for something else, or fails`,
    }));
  });
}
