import type { Graph, Node } from "../ir/model.ts";
import { annotateNodes } from "../quantization/annotate.ts";
import { resolvePlanOptions } from "../quantization/options.ts";
import type { Annotation, IntegerAnnotation } from "../quantization/rules/rule.ts";
import { type QuantizedView, viewOf } from "../quantization/targets/quantized-view.ts";
import type { Target } from "../quantization/targets/target.ts";
import { floatGraphOf } from "./float-graph.ts";

/** What is asked about a quantized graph: what stands in the file, and what the planner says of its float graph. */
export interface AuditView extends QuantizedView {
  target: Target;
  /** What the graph's inputs are, in words. */
  given: string;
  /** Nodes of the float graph by name. */
  float: ReadonlyMap<string, Node>;
  annotations: ReadonlyMap<string, Annotation>;
  /** Products by the node that adds their bias. */
  absorbed: ReadonlyMap<string, { product: string; annotation: IntegerAnnotation }>;
  /** Nodes by name. */
  nodes: ReadonlyMap<string, Node>;
}

/** Reads a graph, whose nodes must have names of their own and whose types must be known, as a target does. */
export function auditView(graph: Graph, target: Target, given = "the model's input"): AuditView {
  const view = viewOf(graph);
  const float = floatGraphOf(view);
  const annotated = annotateNodes({ ...viewOf(float), options: resolvePlanOptions({ target }) });
  const absorbed = new Map<string, { product: string; annotation: IntegerAnnotation }>();
  for (const [product, annotation] of annotated)
    if (annotation.kind === "integer")
      for (const { name } of annotation.absorbs ?? [])
        absorbed.set(name, { product: product.name, annotation });
  return {
    ...view,
    target,
    given,
    absorbed,
    float: new Map(float.nodes.map((node) => [node.name, node])),
    annotations: new Map(Array.from(annotated, ([{ name }, annotation]) => [name, annotation])),
    nodes: new Map(graph.nodes.map((node) => [node.name, node])),
  };
}

/** The value that stands in the file where the float graph's node of that name reads `name`. */
export function inFile({ name: node }: Pick<Node, "name">, name: string, view: AuditView): string {
  const slot = view.float.get(node)?.inputs.indexOf(name) ?? -1;
  return view.nodes.get(node)?.inputs[slot] ?? name;
}
