import { Emitter } from "../../ir/emit.ts";
import { cloneGraph } from "../../ir/clone.ts";
import { indexGraph, type GraphIndex } from "../../ir/graph.ts";
import { staticShape, typeOf } from "../../ir/value-types.ts";
import type { Graph, Node } from "../../ir/model.ts";
import { type FakeQuantizer, matchFakeQuantizer } from "../../ops/fake-quantizer.ts";
import { GradientBuilder } from "../gradient-builder.ts";
import type { LoweringOptions } from "../lowering.ts";
import { type Kernel, kernelOf, type KernelSite } from "./kernels.ts";
import { addFineQuantizer, leavesRoom } from "./fine-codes.ts";
import { keepLayouts } from "./keep-layouts.ts";
import { operandOf } from "./operands.ts";
import type { SavedActivation } from "./saved-activation.ts";

/** The nodes of a fake-quantized forward that run on integer kernels, by name. */
export type IntegerForward = ReadonlyMap<string, Place>;

interface Place {
  kernel: Kernel;
  /** The quantizer of the output; undefined: the kernel's output is the node's own float output. */
  quantizer: FakeQuantizer | undefined;
  /** A second QuantizeLinear of the output, with finer codes for the backward to read. */
  fine?: Node;
}

/** A forward with integer kernels planned, ready for differentiation. */
export interface ForwardForBackward {
  /** The forward that was planned for, with finer quantizers where codes have 4 bits. */
  graph: Graph;
  places: IntegerForward;
  /** What the backward reads instead of float values that integer kernels never compute, by the names of these. */
  saved: ReadonlyMap<string, SavedActivation>;
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
  const places = new Map<string, Place>();
  const quantizers = soleQuantizers(forward, index);
  for (const node of forward.nodes) {
    const kernel = kernelOf(node);
    if (kernel === undefined) continue;
    const quantizer = quantizers.get(node.outputs[0] as string);
    const site = siteOf(node, quantizer?.quantize, forward, index);
    if (!kernel.fits(site) || (options.portable && !kernel.portable(site))) continue;
    places.set(node.name, { kernel, quantizer });
  }
  return places;
}

/**
 * Finds what the backward of the planned forward reads as codes, and adds finer quantizers where codes have 4 bits.
 * `forward` is not changed.
 */
export function saveActivations(forward: Graph, planned: IntegerForward): ForwardForBackward {
  const graph = cloneGraph(forward);
  const build = new GradientBuilder(new Emitter(graph));
  const saved = new Map<string, SavedActivation>();
  const places = new Map(planned);
  for (const [node, place] of planned) {
    const { kernel, quantizer } = place;
    if (quantizer === undefined) continue;
    if (!kernel.rounds || !leavesRoom(quantizer)) {
      saved.set(quantizer.x, ownCodes(quantizer, kernel.rounds));
      continue;
    }
    const fine = addFineQuantizer(build, quantizer);
    places.set(node, { ...place, fine: fine.quantize });
    saved.set(quantizer.x, fine.saved);
  }
  return { graph, places, saved };
}

/** The fake quantizers that are the only reader of a value, by the value's name. */
function soleQuantizers(graph: Graph, index: GraphIndex): Map<string, FakeQuantizer> {
  const found = new Map<string, FakeQuantizer>();
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
    found.set(quantizer.x, quantizer);
  }
  return found;
}

/**
 * The codes and the value of the quantizer itself. `rounded`: its input was rounded to the codes, so that a code at a
 * bound may stand for a clipped value and counts as clipped. Otherwise the codes were only moved (MaxPool, Reshape, ...)
 * and nothing was clipped.
 */
const ownCodes = ({ dequantize, qmin, qmax }: FakeQuantizer, rounded: boolean): SavedActivation => ({
  value: dequantize.outputs[0] as string,
  codes: dequantize.inputs[0] as string,
  low: rounded ? qmin : qmin - 1,
  high: rounded ? qmax : qmax + 1,
  fine: !rounded,
});

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
 * Puts the planned kernels in the places of their nodes and quantizers. `source` is the graph that was planned for or that
 * `saveActivations` made of it, possibly with a backward behind it that reads no value of `saved`; it is not changed.
 */
export function lowerIntegerForward(source: Graph, places: IntegerForward): Graph {
  const graph = cloneGraph(source);
  const index = indexGraph(graph);
  const nodes = graph.nodes;
  const build = new GradientBuilder(new Emitter(graph));
  const byQuantizer = new Map<string, Node>();
  graph.nodes = [];
  for (const node of nodes) {
    const place = places.get(node.name);
    if (place?.quantizer !== undefined) {
      byQuantizer.set(place.quantizer.quantize.name, node);
      if (place.fine !== undefined) byQuantizer.set(place.fine.name, node);
      continue;
    }
    const replaced = place === undefined ? byQuantizer.get(node.name) : node;
    if (replaced === undefined) {
      graph.nodes.push(node);
      continue;
    }
    const { kernel } = places.get(replaced.name) as Place;
    const since = graph.nodes.length;
    build.emitter.standFor(replaced);
    const output = kernel.emit({
      ...siteOf(replaced, node === replaced ? undefined : node, graph, index),
      build,
    });
    build.nameOutput(output, node.outputs[0] as string, since);
  }
  keepLayouts(graph);
  return graph;
}
