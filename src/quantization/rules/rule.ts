import type { GraphIndex } from "../../ir/graph.ts";
import type { Graph, Node } from "../../ir/model.ts";
import type { ResolvedPlanOptions } from "../options.ts";

/** A node that an integer kernel can run. Names are values of the prepared model. */
export interface IntegerAnnotation {
  kind: "integer";
  /** Activations the kernel reads as codes; constants among them are quantized as constants. */
  inputs: string[];
  /** Values the kernel can write as codes. */
  outputs: string[];
  /** Without codes at its output the kernel does not fuse (Conv); Gemm and MatMul can also write floats. */
  outputRequired: boolean;
  /** Quantize it whatever its neighbours are; otherwise only between integer neighbours. */
  eager: boolean;
  weight?: { name: string; axis: number };
  bias?: { name: string; node: string };
  /** Nodes that become part of this one's kernel (the Add of a bias). */
  absorbs?: Node[];
}

/** What a node asks for. Rules only annotate; `insertQuantizers` is the one place that changes a graph. */
export type Annotation =
  | IntegerAnnotation
  /** Moves or selects codes: outputs share the input's scale and zero point. */
  | { kind: "carry"; input: string; outputs: string[] }
  /** Limits values to [min, max]: a quantizer behind it may do the same. */
  | { kind: "saturate"; input: string; output: string; min: number; max: number }
  /** Stays in float. */
  | { kind: "float"; reason: string }
  /** Neither reads nor writes float values. */
  | { kind: "none" };

export interface RuleContext {
  graph: Graph;
  index: GraphIndex;
  options: ResolvedPlanOptions;
}

export type Rule = (node: Node, context: RuleContext) => Annotation;

export const stayFloat = (reason: string): Annotation => ({ kind: "float", reason });

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
