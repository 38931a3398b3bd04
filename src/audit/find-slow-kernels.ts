import { intOf } from "../ir/attributes.ts";
import type { Graph, Node } from "../ir/model.ts";
import { rowOf } from "../ops/catalogue/catalogue.ts";
import { weightPortOf } from "../ops/catalogue/ports.ts";
import { addsExactly } from "../quantization/saturating-pairs.ts";
import { elementCount } from "../tensor/tensor.ts";

/**
 * Channels of a group, and of the input of a convolution over three dimensions, from which on the integer kernel was not
 * measured to be twice as slow as the float one.
 */
const [leastOfGroup, leastOfVolume] = [8, 16];

/** A kind of integer kernel that takes several times as long as the float kernel of the same operator. */
interface SlowKind {
  is: (kernel: Node, weight: readonly number[]) => boolean;
  reason: string;
}

/** In units of the float kernel's time; `npm run bench:kernels` measures them. */
const kinds: readonly SlowKind[] = [
  {
    is: ({ opType }) => opType === "ConvInteger",
    reason:
      "ConvInteger, the convolution of dynamic quantization, takes 4 to 180 times as long as a float convolution: quantize activations statically, or leave convolutions float",
  },
  {
    is: (kernel, weight) => isGrouped(kernel, weight) && weight[1] === 1,
    reason:
      "depthwise with a multiplier: ONNX Runtime has no kernel of its own for several filters per channel, and takes 10 to 160 times as long as in float",
  },
  {
    is: (kernel, weight) => isGrouped(kernel, weight) && (weight[1] ?? 0) < leastOfGroup,
    reason:
      "in groups of few channels: each is a small matrix product of its own, and all take 2 to 12 times as long as in float",
  },
  {
    is: (kernel, weight) => {
      const [, channels = 0, ...window] = weight;
      const gathers = isConvolution(kernel) && window.length > 2 && elementCount(window) > 1;
      return gathers && channels < leastOfVolume && !addsExactly(kernel, weight);
    },
    reason:
      "over three dimensions, of few channels: gathering the windows takes longer than the products, and both up to 20 times as long as in float",
  },
  {
    is: ({ opType }) => opType === "QLinearAveragePool",
    reason: "the average of codes takes 10 to 20 times as long as that of floats",
  },
  {
    is: ({ opType }) => opType === "MaxPool",
    reason:
      "codes with channels first: 10 to 40 times as long as in float; between convolutions ONNX Runtime puts the channels last, and is fast",
  },
  {
    is: ({ opType }) => opType === "QLinearSoftmax",
    reason: "a Softmax of codes takes 2 to 14 times as long as one of floats over the last axis",
  },
];

const isConvolution = (kernel: Node): boolean => rowOf(kernel)?.macs === "convolution";
/** In groups, other than one filter per channel, which has a kernel of its own. */
const isGrouped = (kernel: Node, weight: readonly number[]): boolean =>
  isConvolution(kernel) && intOf(kernel, "group", 1) > 1 && !addsExactly(kernel, weight);

/** Why an integer kernel of an optimized graph is slow; undefined where it is not known to be. */
export function slownessOf(kernel: Node, graph: Graph | undefined): string | undefined {
  if (graph === undefined) return undefined;
  const slot = weightPortOf(kernel)?.weight ?? -1;
  const dims = graph.initializers.get(kernel.inputs[slot] ?? "")?.dims ?? [];
  return kinds.find(({ is }) => is(kernel, dims))?.reason;
}
