import type { Graph } from "../ir/model.ts";
import { ForwardGraph, type WeightRequest } from "./forward-graph.ts";
import { GradientPath } from "./gradient-path.ts";

export interface TraceOptions {
  /** Name of the scalar float value whose gradients are asked for. */
  loss: string;
  /** Values that want a full gradient. */
  parameters: readonly string[];
  weights: readonly WeightRequest[];
  /** Opset of the default domain. */
  opset: number;
}

/** Where the gradient of a loss would flow in a graph of static types, without making it. */
export function traceGradient(graph: Graph, options: TraceOptions): GradientPath {
  const parameters = new Set(options.parameters);
  const forward = new ForwardGraph(graph, parameters, options.weights);
  const leaves = new Set([...parameters, ...options.weights.map(({ codes }) => codes)]);
  return new GradientPath(forward, options.loss, leaves, options.opset);
}
