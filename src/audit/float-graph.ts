import { readNames } from "../ir/graph.ts";
import type { Graph, Node } from "../ir/model.ts";
import {
  dequantizes,
  type QuantizedView,
  quantizes,
  sourceOf,
} from "../quantization/targets/quantized-view.ts";
import { byteLength } from "../tensor/data-type.ts";
import { elementCount, type Tensor, tensorOfBytes } from "../tensor/tensor.ts";

/**
 * The float graph that a quantized one stands for: pairs of QuantizeLinear and DequantizeLinear are gone, and constants
 * that are dequantized are float constants, zeros in place of their values. It has the source's nodes under their names;
 * what computes on codes stays.
 */
export function floatGraphOf(view: QuantizedView): Graph {
  const { graph } = view;
  const initializers = new Map(graph.initializers);
  const aliases = new Map<string, string>();
  const gone = new Set<Node>();
  for (const node of graph.nodes) {
    if (!dequantizes(node)) continue;
    const [output = ""] = node.outputs;
    const constant = graph.initializers.get(node.inputs[0] ?? "");
    const quantizer = quantizerBefore(view, node);
    if (constant !== undefined) initializers.set(output, zeros(constant));
    else if (quantizer !== undefined) aliases.set(output, quantizer.inputs[0] as string);
    else continue;
    gone.add(node);
  }
  const resolve = (name: string): string => {
    let at = name;
    for (let next = aliases.get(at); next !== undefined; next = aliases.get(at)) at = next;
    return at;
  };
  const kept = graph.nodes
    .filter((node) => !gone.has(node))
    .map((node) => ({ ...node, inputs: node.inputs.map(resolve) }));
  const outputs = graph.outputs.map((output) => ({ ...output, name: resolve(output.name) }));
  return { ...graph, initializers, outputs, nodes: withoutUnreadQuantizers(kept, outputs) };
}

/** The QuantizeLinear whose codes a DequantizeLinear reads, bounds on the codes passed over. */
export function quantizerBefore(view: QuantizedView, dequantizer: Node): Node | undefined {
  const before = sourceOf(view, dequantizer.inputs[0]);
  const source = before?.opType === "Clip" ? sourceOf(view, before.inputs[0]) : before;
  return source !== undefined && quantizes(source) ? source : undefined;
}

/** Quantizers that only pairs read, and bounds on their codes, go with these. */
function withoutUnreadQuantizers(nodes: readonly Node[], outputs: Graph["outputs"]): Node[] {
  const read = new Set(outputs.map(({ name }) => name));
  const kept: Node[] = [];
  const makers = new Map(nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)));
  const onCodes = (node: Node): boolean => {
    const before = node.opType === "Clip" ? makers.get(node.inputs[0] ?? "") : node;
    return before !== undefined && quantizes(before);
  };
  for (const node of nodes.toReversed()) {
    if (onCodes(node) && !node.outputs.some((name) => read.has(name))) continue;
    kept.push(node);
    for (const name of readNames(node)) read.add(name);
  }
  return kept.reverse();
}

const zeros = ({ dims }: Tensor): Tensor =>
  tensorOfBytes("float32", dims, new Uint8Array(byteLength("float32", elementCount(dims))));
