import type { GraphIndex } from "../../ir/graph.ts";
import type { Graph, Node } from "../../ir/model.ts";
import type { ResolvedPlanOptions } from "../options.ts";

/** What an integer kernel for a node would read and write. Names are values of the prepared model. */
export interface KernelRequest {
  kind: "integer";
  /** Activations the kernel reads as codes; constants among them are quantized as constants. */
  inputs: string[];
  /** Values the kernel can write as codes. */
  outputs: string[];
  weight?: { name: string; axis: number };
  bias?: { name: string; node: string };
  /** Nodes that become part of this one's kernel (the Add of a bias). */
  absorbs?: Node[];
}

/** A node that the target's kernels can run on integers. */
export interface IntegerAnnotation extends KernelRequest {
  /** The runtime uses the integer kernel only if its output is quantized. */
  outputRequired: boolean;
  /** Quantize the node whatever its neighbours are; false: only between integer neighbours. */
  eager: boolean;
}

/** A Gather that picks rows of a quantized table and writes floats. */
export interface TableAnnotation {
  kind: "table";
  weight: { name: string; axis: number };
}

/** What a node asks for. Rules only annotate; `insertQuantizers` is the one place that changes a graph. */
export type Annotation = IntegerAnnotation | TableAnnotation | FloatOrMove;

type FloatOrMove =
  /** Moves or selects codes: outputs share the input's scale and zero point. */
  | { kind: "carry"; input: string; outputs: string[] }
  /** Limits values to [min, max]; a quantizer behind the node may replace it. */
  | { kind: "saturate"; input: string; output: string; min: number; max: number }
  /**
   * Limits values and is fused by the runtime into the kernel in front of it, on codes or floats as that kernel writes.
   */
  | { kind: "kept"; input: string; output: string; min: number; reason: string }
  /** Stays in float. */
  | { kind: "float"; reason: string }
  /** Neither reads nor writes float values. */
  | { kind: "none" };

/** The constant that a node reads as codes, with the axis of its rows. */
export const weightOf = (annotation: Annotation): { name: string; axis: number } | undefined =>
  annotation.kind === "integer" || annotation.kind === "table" ? annotation.weight : undefined;

export interface RuleContext {
  graph: Graph;
  index: GraphIndex;
  options: ResolvedPlanOptions;
}

/** Answer of an operator's rule, before the target adds how it uses the kernel. */
export type Answer = KernelRequest | FloatOrMove;

export type Rule = (node: Node, context: RuleContext) => Answer;

export const stayFloat = (reason: string): { kind: "float"; reason: string } => ({ kind: "float", reason });

/** Name of input `i`, or undefined when the optional input is absent. */
export function inputOf(node: Node, i: number): string | undefined {
  const name = node.inputs[i];
  return name === undefined || name === "" ? undefined : name;
}

/** The only node that reads `name`, unless the value is also a graph output. */
export function soleReader(name: string, { index }: Pick<RuleContext, "index">): Node | undefined {
  const readers = index.consumers.get(name) ?? [];
  return readers.length === 1 && !index.outputs.has(name) ? readers[0] : undefined;
}
