import { subgraphsOf } from "../ir/attributes.ts";
import { dtypeOf } from "../ir/value-types.ts";
import type { Graph, Model, Node } from "../ir/model.ts";
import { rowOf } from "../ops/catalogue/catalogue.ts";
import { countMacs } from "../ops/count-macs.ts";
import { isDequantized, isQuantizer, quantizes, sourceOf } from "../quantization/targets/quantized-view.ts";
import type { Target } from "../quantization/targets/target.ts";
import { namedValues } from "../named-values.ts";
import { type AuditView, auditView } from "./audit-view.ts";
import { explainFloat } from "./explain.ts";
import { findFaults } from "./find-faults.ts";
import { saturationOf } from "./find-saturation.ts";
import { slownessOf } from "./find-slow-kernels.ts";
import { type FileFormat, formatsOf } from "./file-format.ts";
import { findIdleQuantizers } from "./idle-quantizers.ts";
import { makesOrUnmakes } from "./integer-nodes.ts";
import { judgeByKernels, judgeByStructure, type Verdict } from "./judge-nodes.ts";

export interface AuditedNode {
  node: string;
  op: string;
  /** The operator that ONNX Runtime runs for it; undefined where it was fused into a neighbour or removed. */
  kernel: string | undefined;
  integer: boolean;
  /** Multiply-accumulates per sample. */
  macs: number;
}

/** A node and what is to be said of it. */
export interface NodeReason {
  node: string;
  op: string;
  reason: string;
}

export interface KernelAudit {
  formats: FileFormat[];
  /** kernels: read back from the graph that ONNX Runtime optimized; structure: by what the target needs. */
  judgedBy: "kernels" | "structure";
  nodes: AuditedNode[];
  /** Nodes that compute something on floats or codes (no quantizers), and those of them on integer kernels. */
  totalNodes: number;
  integerNodes: number;
  totalMacs: number;
  integerMacs: number;
  /** Of nodes that the plan quantizes; without a plan, of those that read codes. */
  quantizedMacs: number;
  /** Float nodes and why they are, those with most multiply-accumulates first. */
  floatNodes: (NodeReason & { macs: number })[];
  /** Nodes whose integer kernels are known to be slower than float ones, those with most multiply-accumulates first. */
  slowNodes: (NodeReason & { macs: number })[];
  /** Nodes whose integer kernels saturate on x64 processors without VNNI. */
  saturatingNodes: NodeReason[];
  /** Quantizers that nothing on integers reads or writes. */
  idleQuantizers: NodeReason[];
  /** What makes the result wrong, or the file unusable, on integer kernels. */
  faults: NodeReason[];
  /** How often each operator stands in the optimized graph. */
  kernels: Record<string, number>;
}

/** What an audit is made of. */
export interface AuditInput {
  /** The model as its file has it, nodes named and types known. */
  source: Model;
  /** What ONNX Runtime made of it; undefined: nodes are judged by structure. */
  optimized: Graph | undefined;
  target: Target;
  /** Reasons that are known beforehand, by node: those of the plan that the file was made by. */
  reasons?: ReadonlyMap<string, string> | undefined;
  /** What the inputs of the graph are, where it is not the model's own. */
  given?: string | undefined;
}

/** Which nodes of a model run on integer kernels, how much of the work that is, and why the others do not. */
export function auditGraphs({ source, optimized, target, reasons, given }: AuditInput): KernelAudit {
  const view = auditView(source.graph, target, given);
  const judge = optimized === undefined ? judgeByStructure(view) : judgeByKernels(view, optimized);
  const verdicts = new Map(source.graph.nodes.map((node) => [node, judge(node)]));
  const computing = source.graph.nodes
    // What computes in a node with subgraphs is in these.
    .filter((node) => !isOfQuantizers(node, view) && subgraphsOf(node).length === 0)
    .map((node) => ({ node, macs: macsOf(view, node), ...(verdicts.get(node) as Verdict) }))
    .filter(
      ({ node, macs, counts, integer }) =>
        (counts || macs > 0) && (integer || touchesFloats(node, source.graph)),
    );
  const [integer, float] = [
    computing.filter((each) => each.integer),
    computing.filter((each) => !each.integer),
  ];
  return {
    formats: formatsOf(view),
    judgedBy: optimized === undefined ? "structure" : "kernels",
    nodes: computing.map(({ node, kernels, ...of }) => ({
      ...nameOf(node),
      kernel: kernels[0]?.opType,
      integer: of.integer,
      macs: of.macs,
    })),
    totalNodes: computing.length,
    integerNodes: integer.length,
    totalMacs: sum(computing),
    integerMacs: sum(integer),
    quantizedMacs: sum(computing.filter(({ node }) => isQuantized(node, view, reasons))),
    floatNodes: float
      .map(({ node, macs, kernels }) => {
        const reason =
          reasons?.get(node.name) ?? explainFloat(node, view) ?? unexplained(kernels[0]?.opType, target);
        return { ...nameOf(node), reason, macs };
      })
      .sort((a, b) => b.macs - a.macs),
    slowNodes: kernelReasons(integer, (kernel) => slownessOf(kernel, optimized)).sort(
      (a, b) => b.macs - a.macs,
    ),
    saturatingNodes: kernelReasons(integer, (kernel) => saturationOf(kernel, optimized)).map(
      ({ macs: _macs, ...rest }) => rest,
    ),
    idleQuantizers: findIdleQuantizers(view, verdicts),
    faults: findFaults(view, verdicts),
    kernels: countKernels(optimized?.nodes ?? []),
  };
}

/** What is to be said of the kernels that nodes have of their own. */
function kernelReasons(
  nodes: readonly { node: Node; macs: number; counts: boolean; kernels: readonly Node[] }[],
  reasonOf: (kernel: Node) => string | undefined,
): (NodeReason & { macs: number })[] {
  return nodes
    .filter(({ counts }) => counts)
    .flatMap(({ node, macs, kernels }) => {
      const [reason] = kernels.flatMap((kernel) => reasonOf(kernel) ?? []);
      return reason === undefined ? [] : [{ ...nameOf(node), reason, macs }];
    });
}

const unexplained = (kernel: string | undefined, { runtime }: Target): string =>
  `${runtime} runs it as ${kernel ?? "part of a float kernel"} although all quantizers around it are there`;

const nameOf = ({ name, opType }: Node): { node: string; op: string } => ({ node: name, op: opType });

/** Quantizers, and the bounds on their codes. */
function isOfQuantizers(node: Node, view: AuditView): boolean {
  if (isQuantizer(node) || makesOrUnmakes(node)) return true;
  const source = node.opType === "Clip" ? sourceOf(view, node.inputs[0]) : undefined;
  return source !== undefined && quantizes(source);
}

/** `reasons`: why nodes stay float, those that are not in it being quantized; undefined where no plan is known. */
function isQuantized(node: Node, view: AuditView, reasons: ReadonlyMap<string, string> | undefined): boolean {
  if (reasons !== undefined) return !reasons.has(node.name);
  return rowOf(node)?.kind === "codes" || node.inputs.some((name) => isDequantized(view, name));
}

/** Products with constants alone are computed once, not per sample. */
function macsOf({ graph }: AuditView, node: Node): number {
  return node.inputs.every((name) => graph.initializers.has(name)) ? 0 : countMacs(graph, node);
}

function touchesFloats(node: Node, graph: Graph): boolean {
  return [...node.inputs, ...node.outputs].some((name) => {
    const dtype = name === "" ? "bool" : dtypeOf(graph, name);
    return dtype === undefined || dtype.includes("float");
  });
}

function countKernels(nodes: readonly Node[]): Record<string, number> {
  const counts = namedValues<number>();
  for (const { opType } of nodes) counts[opType] = (counts[opType] ?? 0) + 1;
  return counts;
}

const sum = (nodes: readonly { macs: number }[]): number =>
  nodes.reduce((total, { macs }) => total + macs, 0);
