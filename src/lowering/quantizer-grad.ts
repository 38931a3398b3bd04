import { intOf, intsOf } from "../ir/attributes.ts";
import { Emitter } from "../ir/emit.ts";
import { cloneGraph } from "../ir/clone.ts";
import type { Graph, Node } from "../ir/model.ts";
import { gradientDomain } from "../ops/gradient-nodes.ts";
import { type DataType, dataTypeOfCode } from "../tensor/data-type.ts";
import { tensorOfBytes } from "../tensor/tensor.ts";
import { sumByChannels } from "./channel-sums.ts";
import { GradientBuilder } from "./gradient-builder.ts";
import { replaceNodes } from "./replace-nodes.ts";
import type { SavedActivation } from "./integer/saved-activation.ts";

/** What the backward reads instead of values that an integer forward does not compute, by their names. */
export type SavedActivations = ReadonlyMap<string, SavedActivation>;

/**
 * The gradients of quantizers as stock operators and masks; `source` is `forward` with an abstract backward behind it, and is
 * not changed. The backward then reads the saved activations. There are four ways:
 *
 * - exact, where x is there: m = [lo <= x <= hi];
 * - fine, where codes finer than the quantizer's own are there: the same from these codes;
 * - saturating, where its own codes are all there is: m = [qmin < q < qmax], so that a code at a bound counts as clipped, also
 *   where x did not go beyond. The rounding error of the values within the bounds is not known; times their gradients it is
 *   zero on average, and left out. The difference of two large sums would be that of how each of them was rounded, so that
 *   what saturates is summed itself: ds = (qmax - z) * (sum of dy where q = qmax) + (qmin - z) * (sum of dy where q = qmin);
 * - moved: codes that were codes of this scale before are neither rounded nor clipped: dx = dy, ds = 0, dz = 0.
 */
export function lowerQuantizerGradients(
  source: Graph,
  forward: Graph,
  saved: SavedActivations = new Map(),
): Graph {
  const graph = cloneGraph(source);
  const b = new GradientBuilder(new Emitter(graph));
  const read = new Map(Array.from(saved, ([name, { value }]) => [name, value]));
  const backward = graph.nodes.splice(forward.nodes.length);
  const activations = new Map(backward.map((node) => [node, saved.get(node.inputs[1] ?? "")]));
  for (const node of backward) node.inputs = node.inputs.map((name) => read.get(name) ?? name);
  replaceNodes(b, backward, (node) => {
    const lower = node.domain === gradientDomain ? lowerings.get(node.opType) : undefined;
    return lower?.(b, quantizerOf(node, activations.get(node)));
  });
  return graph;
}

/** An abstract node of a quantizer. */
interface Quantizer {
  /** Inputs dy, x, s and z, and those behind them. */
  inputs: readonly string[];
  shape: readonly number[];
  /** Type of x, as ONNX counts types. */
  dtype: number;
  codeType: DataType;
  qmin: number;
  qmax: number;
  saved: SavedActivation | undefined;
  way: "exact" | "fine" | "saturating" | "moved";
}

function quantizerOf(node: Node, saved: SavedActivation | undefined): Quantizer {
  const [qmin, qmax] = [intOf(node, "qmin", 0), intOf(node, "qmax", 0)];
  const moved = saved !== undefined && saved.low < qmin && saved.high > qmax;
  return {
    inputs: node.inputs,
    shape: intsOf(node, "shape") ?? [],
    dtype: intOf(node, "dtype", 1),
    qmin,
    qmax,
    codeType: dataTypeOfCode(intOf(node, "codes", 0)) ?? "uint8",
    saved,
    way: saved === undefined ? "exact" : moved ? "moved" : saved.fine ? "fine" : "saturating",
  };
}

const lowerings = new Map([
  ["QuantizerDataGrad", dataGradient],
  ["QuantizerScaleGrad", scaleGradient],
  ["QuantizerZeroGrad", zeroPointGradient],
]);

function dataGradient(b: GradientBuilder, q: Quantizer): string {
  const [dy = "", x = "", scale = "", zero = ""] = q.inputs;
  if (q.way === "moved") return dy;
  if (q.way === "exact") return masked(b, q, dy, valuesInside(b, q, { x, scale, zero }));
  const { codes, low, high } = q.saved as SavedActivation;
  if (q.way === "saturating")
    return masked(b, q, belowTop(b, q), b.op("Greater", [codes, codeOf(b, q, low)]));
  const within = b.op("Clip", [codes, codeOf(b, q, low + 1), codeOf(b, q, high - 1)]);
  return masked(b, q, dy, b.op("Equal", [codes, within]));
}

function scaleGradient(b: GradientBuilder, q: Quantizer): string {
  const [, , scale = "", zero = "", whole = "", kept = "", sum = "", sumKept = ""] = q.inputs;
  if (q.way === "moved") return b.scalar(0);
  if (q.way !== "saturating") return b.div(b.sub(whole, kept), scale);
  const sumBelow = sumByChannels(b, belowTop(b, q), q.shape);
  const part = (bound: number, of: string): string => b.mul(b.sub(b.scalar(bound), zero), of);
  return b.add(part(q.qmax, b.sub(sum, sumBelow)), part(q.qmin, b.sub(sumBelow, sumKept)));
}

function zeroPointGradient(b: GradientBuilder, q: Quantizer): string {
  const [, , scale = "", , sum = "", sumKept = ""] = q.inputs;
  return q.way === "moved" ? b.scalar(0) : b.mul(b.sub(sumKept, sum), scale);
}

const masked = (b: GradientBuilder, { dtype }: Quantizer, gradient: string, condition: string): string =>
  b.gradient("MaskedGrad", [gradient, condition], { dtype });

/** dy where the code is below the upper bound. */
function belowTop(b: GradientBuilder, q: Quantizer): string {
  const { codes, high } = q.saved as SavedActivation;
  return masked(b, q, q.inputs[0] as string, b.op("Less", [codes, codeOf(b, q, high)]));
}

/**
 * In codes: how far beyond a bound x still counts as within. A sum of quantized values is often exactly a bound, up to
 * the rounding of float additions; these must not decide whether its gradient passes.
 */
const leeway = 2 ** -10;

/** Where lo <= x <= hi, give or take the leeway. */
function valuesInside(
  b: GradientBuilder,
  { qmin, qmax }: Quantizer,
  { x, scale, zero }: { x: string; scale: string; zero: string },
): string {
  const low = b.mul(b.sub(b.scalar(qmin - leeway), zero), scale);
  const high = b.mul(b.sub(b.scalar(qmax + leeway), zero), scale);
  return b.op("And", [b.op("GreaterOrEqual", [x, low]), b.op("LessOrEqual", [x, high])]);
}

/** A code as a constant. */
const codeOf = (b: GradientBuilder, { codeType }: Quantizer, code: number): string =>
  b.emitter.constant(tensorOfBytes(codeType, [], Uint8Array.of(code)));
