import type { Graph, Node } from "../ir/model.ts";
import { rowOf } from "../ops/catalogue/catalogue.ts";
import { portOf } from "../ops/catalogue/ports.ts";
import { addsExactly, largestExactPair, largestPairs } from "../quantization/saturating-pairs.ts";
import { viewAs } from "../tensor/tensor.ts";

/**
 * What of an integer kernel's weights saturates on x64 processors without VNNI, in words; undefined where nothing does.
 * Exact everywhere are int8 by int8, uint8 by uint8, ConvInteger, and depthwise kernels: products of uint8 activations and
 * int8 weights alone are added two by two in 16 bits.
 */
export function saturationOf(kernel: Node, graph: Graph | undefined): string | undefined {
  if (graph === undefined) return undefined;
  const { kind, macs } = rowOf(kernel) ?? {};
  if (kind !== "codes" || macs === undefined || kernel.opType === "ConvInteger") return undefined;
  if (inputOf(kernel, graph) === "int8") return undefined;
  const weights = (["weight", "recurrent weight"] as const).flatMap((role) => pairsOf(kernel, role, graph));
  const wrong = weights.filter((sum) => sum > largestExactPair);
  if (wrong.length === 0) return undefined;
  return `in ${wrong.length} of ${weights.length} output channels the codes of two weights whose products are added sum up to more than ${largestExactPair}, up to ${wrong.reduce((most, sum) => Math.max(most, sum))}`;
}

/** The largest pairs of the rows of a constant weight in int8. */
function pairsOf(kernel: Node, role: "weight" | "recurrent weight", graph: Graph): number[] {
  const port = portOf(kernel, role);
  const weight = graph.initializers.get(kernel.inputs[port?.slot ?? -1] ?? "");
  if (weight?.dtype !== "int8" || port === undefined || weight.dims.length < 2) return [];
  const { dims: shape } = weight;
  if (addsExactly(kernel, shape)) return [];
  const axis = port.axis?.(kernel, shape.length) ?? 0;
  return largestPairs({ operator: kernel, shape, axis, codes: viewAs(weight, "int8") });
}

/** The type of the codes that a kernel multiplies with its weight, where its zero point tells. */
const inputOf = (kernel: Node, graph: Graph): string | undefined =>
  graph.initializers.get(kernel.inputs[portOf(kernel, "input zero point")?.slot ?? -1] ?? "")?.dtype;
