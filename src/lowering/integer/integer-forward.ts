import { Emitter } from "../../ir/emit.ts";
import { cloneGraph, indexGraph, staticShape, type GraphIndex, typeOf } from "../../ir/graph.ts";
import type { Graph, Node } from "../../ir/model.ts";
import { matchFakeQuantizer } from "../../ops/fake-quantizer.ts";
import { GradientBuilder } from "../gradient-builder.ts";
import type { LoweringOptions } from "../lowering.ts";
import { kernels, type Kernel, type KernelSite } from "./kernels.ts";
import { operandOf } from "./operands.ts";

/** Which nodes of a fake-quantized forward run on integer kernels. */
export interface IntegerForward {
  /**
   * Float values that the integer kernels never make, and what stands for each: the same value after its quantizer.
   * A backward that reads one reads the other, less its rounding error.
   */
  stands: ReadonlyMap<string, string>;
  /** By name of the forward node. */
  places: ReadonlyMap<string, Place>;
}

interface Place {
  kernel: Kernel;
  /** The QuantizeLinear of the output; undefined: the kernel's output is the node's own float output. */
  quantize: Node | undefined;
}

/**
 * Finds the nodes between DequantizeLinear and QuantizeLinear for which ONNX Runtime has an integer kernel. What it
 * has none for stays float between the two, as it does in the deployed model.
 */
export function planIntegerForward(
  forward: Graph,
  options: Pick<LoweringOptions, "portable">,
): IntegerForward {
  const index = indexGraph(forward);
  const stands = new Map<string, string>();
  const places = new Map<string, Place>();
  const quantizers = quantizedValues(forward, index);
  for (const node of forward.nodes) {
    const kernel =
      node.domain === "" && Object.hasOwn(kernels, node.opType) ? kernels[node.opType] : undefined;
    if (kernel === undefined || (options.portable && !kernel.portable)) continue;
    const value = node.outputs[0] as string;
    const quantizer = quantizers.get(value);
    if (!kernel.fits(siteOf(node, quantizer?.quantize, forward, index))) continue;
    places.set(node.name, { kernel, quantize: quantizer?.quantize });
    if (quantizer !== undefined) stands.set(value, quantizer.dequantized);
  }
  return { stands, places };
}

/** Values whose only reader is a fake quantizer, by name. */
function quantizedValues(
  graph: Graph,
  index: GraphIndex,
): Map<string, { quantize: Node; dequantized: string }> {
  const found = new Map<string, { quantize: Node; dequantized: string }>();
  const constantOf = (name: string) => (index.inputs.has(name) ? undefined : graph.initializers.get(name));
  const dtypeOf = (name: string) => {
    const type = typeOf(graph, name);
    return type?.kind === "tensor" ? type.dtype : undefined;
  };
  for (const node of graph.nodes) {
    if (node.opType !== "DequantizeLinear" || node.domain !== "") continue;
    const quantizer = matchFakeQuantizer(node, index, constantOf, dtypeOf);
    if (quantizer === undefined || quantizer.refusal !== undefined || found.has(quantizer.x)) continue;
    if (quantizer.codeType !== "uint8" && quantizer.codeType !== "int8") continue;
    const readers = index.consumers.get(quantizer.x) ?? [];
    if (readers.length !== 1 || index.outputs.has(quantizer.x)) continue;
    found.set(quantizer.x, { quantize: quantizer.quantize, dequantized: node.outputs[0] as string });
  }
  return found;
}

function siteOf(node: Node, quantize: Node | undefined, graph: Graph, index: GraphIndex): KernelSite {
  const [, scale = "", zeroPoint = ""] = quantize?.inputs ?? [];
  return {
    node,
    operand: (slot) => operandOf(node.inputs[slot] ?? "", graph, index),
    step: quantize === undefined ? undefined : { scale, zeroPoint },
    rowsOf: (operand) => staticShape(graph, operand.scale)?.[0] ?? 1,
  };
}

/**
 * Puts the planned kernels in the places of their nodes and quantizers. `source` is the forward that was planned for,
 * possibly with a backward behind it that reads no value of `stands`; it is not changed.
 */
export function lowerIntegerForward(source: Graph, { places }: IntegerForward): Graph {
  const graph = cloneGraph(source);
  const index = indexGraph(graph);
  const nodes = graph.nodes;
  const build = new GradientBuilder(new Emitter(graph));
  const byQuantizer = new Map<string, Node>();
  graph.nodes = [];
  for (const node of nodes) {
    const place = places.get(node.name);
    if (place?.quantize !== undefined) {
      byQuantizer.set(place.quantize.name, node);
      continue;
    }
    const replaced = place === undefined ? byQuantizer.get(node.name) : node;
    if (replaced === undefined) {
      graph.nodes.push(node);
      continue;
    }
    const { kernel, quantize } = places.get(replaced.name) as Place;
    const since = graph.nodes.length;
    build.emitter.prefix = replaced.name;
    const output = kernel.emit({ ...siteOf(replaced, quantize, graph, index), build });
    build.nameOutput(output, node.outputs[0] as string, since);
  }
  return graph;
}
