import type { Graph, Node } from "../ir/model.ts";
import { rowOf } from "../ops/catalogue/catalogue.ts";
import type { AuditView } from "./audit-view.ts";
import { explainFloat } from "./explain.ts";
import { findIntegerNodes } from "./integer-nodes.ts";
import { matchKernels } from "./match-kernels.ts";

/** What is run for a node. */
export interface Verdict {
  /** Whether it, or the kernel that it is part of, computes on integers. */
  integer: boolean;
  /** Whether it has a kernel of its own. */
  counts: boolean;
  /** Those kernels, or the one that it is part of, a float one first; none where none is known. */
  kernels: readonly Node[];
}

export type Judge = (node: Node) => Verdict;

/** Verdicts by the kernels that ONNX Runtime made of a graph. */
export function judgeByKernels({ graph }: AuditView, optimized: Graph): Judge {
  const integer = findIntegerNodes(optimized);
  const match = matchKernels(graph, optimized);
  return (node) => {
    const own = match.own(node);
    const carrier = match.carrier(node);
    const kernels = own.length > 0 ? own : carrier === undefined ? [] : [carrier];
    const float = kernels.find((kernel) => !integer.has(kernel));
    return {
      integer: kernels.length > 0 && float === undefined,
      counts: own.length > 0,
      kernels: float === undefined ? kernels : [float, ...kernels.filter((kernel) => kernel !== float)],
    };
  };
}

/** Verdicts by what the target needs around a node: where nothing is missing, it runs on integers. */
export function judgeByStructure(view: AuditView): Judge {
  const { annotations, absorbed } = view;
  const judge: Judge = (node) => {
    const kind = annotations.get(node.name)?.kind ?? "none";
    if (kind === "saturate" || kind === "kept") {
      const source = view.index.producer.get(node.inputs[0] ?? "");
      return { integer: source !== undefined && judge(source).integer, counts: false, kernels: [] };
    }
    const onCodes = kind === "integer" || kind === "carry" || absorbed.has(node.name);
    const integer = onCodes && rowOf(node)?.kind !== "codes" && explainFloat(node, view) === undefined;
    return { integer, counts: !absorbed.has(node.name), kernels: [] };
  };
  return judge;
}
