import { isCodesName } from "../ir/derived-names.ts";
import type { Model, Node } from "../ir/model.ts";
import { loadModel } from "../onnx/index.ts";
import { countMacs } from "../ops/count-macs.ts";
import type { QuantizationPlan } from "../quantization/types.ts";
import { originOf, withoutToken } from "../runtime/kernel-names.ts";
import { readOptimized } from "../runtime/read-optimized.ts";
import type { RuntimeOptions } from "../runtime/session.ts";
import { findIntegerNodes } from "./integer-kernels.ts";
import { namedValues } from "../named-values.ts";

export interface AuditedNode {
  node: string;
  op: string;
  /** The operator that ONNX Runtime runs for it; undefined where it was fused into a neighbour or removed. */
  kernel: string | undefined;
  integer: boolean;
  /** Multiply-accumulates per sample. */
  macs: number;
}

export interface KernelAudit {
  nodes: AuditedNode[];
  /** Nodes that compute something (no quantizers), and those of them on integer kernels. */
  totalNodes: number;
  integerNodes: number;
  totalMacs: number;
  integerMacs: number;
  /** Of nodes that the plan quantizes. */
  quantizedMacs: number;
  /** Float nodes and why they are. */
  floatNodes: { node: string; op: string; reason: string }[];
  /** How often each operator stands in the optimized graph. */
  kernels: Record<string, number>;
}

/**
 * Loads the deployed model in ONNX Runtime with all optimizations, reads the optimized graph back, and tells which
 * nodes run on integer kernels on this machine, how much of the work that is, and why the others do not.
 * @param source path of the exported file
 */
export async function auditKernels(
  source: string,
  plan: QuantizationPlan,
  { provider, threads }: RuntimeOptions = {},
): Promise<KernelAudit> {
  const deployed = await loadModel(source);
  const optimized = await readOptimized(source, { provider, threads });
  return auditGraphs(deployed, optimized, plan);
}

/** The audit of a deployed model and its optimized form. */
export function auditGraphs(deployed: Model, optimized: Model, plan: QuantizationPlan): KernelAudit {
  const integer = findIntegerNodes(optimized.graph);
  const kernels = kernelsByName(optimized.graph.nodes);
  const reasons = new Map(plan.float.map(({ node, reason }) => [node, reason]));
  const nodes = deployed.graph.nodes
    .filter((node) => !isQuantizer(node))
    .map((node) => {
      const kernel = kernels.get(node.name);
      return {
        node: node.name,
        op: node.opType,
        kernel: kernel?.opType,
        integer: kernel !== undefined && integer.has(kernel),
        macs: countMacs(deployed.graph, node),
      };
    });
  const computing = nodes.filter(({ kernel, macs }) => kernel !== undefined || macs > 0);
  const float = computing.filter((entry) => !entry.integer);
  return {
    nodes,
    totalNodes: computing.length,
    integerNodes: computing.length - float.length,
    totalMacs: sum(computing.map(({ macs }) => macs)),
    integerMacs: sum(computing.filter((entry) => entry.integer).map(({ macs }) => macs)),
    quantizedMacs: sum(computing.filter(({ node }) => !reasons.has(node)).map(({ macs }) => macs)),
    floatNodes: float.map(({ node, op, kernel }) => ({
      node,
      op,
      reason:
        reasons.get(node) ??
        `ONNX Runtime runs it as ${kernel ?? "part of a float kernel"} although it is quantized`,
    })),
    kernels: countKernels(optimized.graph.nodes),
  };
}

/** Quantizers, and the bounds on their codes. */
function isQuantizer({ opType, outputs }: Node): boolean {
  if (opType === "QuantizeLinear" || opType === "DequantizeLinear") return true;
  return opType === "Clip" && isCodesName(outputs[0] ?? "");
}

/** Kernels by the name of the node they were made of. */
function kernelsByName(nodes: readonly Node[]): Map<string, Node> {
  const found = new Map<string, Node>();
  const offer = (name: string, node: Node): void => {
    if (name !== "" && !found.has(name)) found.set(name, node);
  };
  for (const node of nodes) offer(withoutToken(node.name), node);
  for (const node of nodes) offer(originOf(node.name), node);
  return found;
}

function countKernels(nodes: readonly Node[]): Record<string, number> {
  const counts = namedValues<number>();
  for (const { opType } of nodes) counts[opType] = (counts[opType] ?? 0) + 1;
  return counts;
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
