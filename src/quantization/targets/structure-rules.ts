import { shapeOf } from "../../ir/value-types.ts";
import type { Model, Node } from "../../ir/model.ts";
import { rowOf } from "../../ops/catalogue/catalogue.ts";
import { weightPortOf } from "../../ops/catalogue/ports.ts";
import { toNumbers } from "../../tensor/tensor.ts";
import {
  isDequantized,
  isQuantizer,
  named,
  type QuantizedView,
  readersOf,
  sourceOf,
  viewOf,
} from "./quantized-view.ts";

/** A rule that every file for a target must satisfy, taken from the runtime's documentation. */
export interface StructureRule {
  name: string;
  /** Nodes or values that break the rule, as text. */
  check: (model: Model) => string[];
}

const rule = (name: string, check: (view: QuantizedView) => string[]): StructureRule => ({
  name,
  check: ({ graph }) => check(viewOf(graph)),
});

/** Layers whose weight is a dequantized constant. */
const quantizedLayers = (view: QuantizedView): { node: Node; weight: string }[] =>
  view.graph.nodes.flatMap((node) => {
    const port = rowOf(node)?.kind === "product" ? weightPortOf(node) : undefined;
    const weight = node.inputs[port?.weight ?? -1];
    if (weight === undefined || !isDequantized(view, weight)) return [];
    return view.graph.initializers.has(sourceOf(view, weight)?.inputs[0] ?? "") ? [{ node, weight }] : [];
  });

export const zeroPointIsZero = rule("zero points are zero", ({ graph }) =>
  graph.nodes.filter(isQuantizer).flatMap((node) => {
    const zeroPoint = graph.initializers.get(node.inputs[2] ?? "");
    const zero = zeroPoint === undefined || toNumbers(zeroPoint).every((value) => value === 0);
    return zero ? [] : [named(node)];
  }),
);

export const codesAreSigned = rule("codes are int8", ({ graph }) =>
  graph.nodes.filter(isQuantizer).flatMap((node) => {
    const dtype = graph.initializers.get(node.inputs[2] ?? "")?.dtype ?? "uint8";
    return dtype === "int8" || dtype === "int4" ? [] : [`${named(node)}: ${dtype}`];
  }),
);

export const noQuantizedBias = rule("biases are floats", ({ graph }) =>
  graph.nodes
    .filter(
      ({ opType, inputs }) =>
        opType === "DequantizeLinear" && graph.initializers.get(inputs[0] ?? "")?.dtype === "int32",
    )
    .map(named),
);

export const biasesAreInt32 = rule("biases of quantized layers are int32 codes", (view) =>
  quantizedLayers(view).flatMap(({ node }) => {
    const bias = node.inputs[weightPortOf(node)?.bias ?? -1] ?? "";
    const codes = sourceOf(view, bias)?.inputs[0] ?? "";
    return bias === "" || view.graph.initializers.get(codes)?.dtype === "int32" ? [] : [named(node)];
  }),
);

export const layersReadCodes = rule("quantized layers read codes", (view) =>
  quantizedLayers(view)
    .filter(({ node }) => !isDequantized(view, node.inputs[0]))
    .map(({ node }) => named(node)),
);

/** A quantizer directly behind a layer prevents TensorRT from fusing the operators that follow. */
export const noQuantizerBehindLayers = rule(
  "no quantizer between a layer and what is fused with it",
  (view) =>
    quantizedLayers(view).flatMap(({ node }) => {
      const after = readersOf(view, node.outputs[0]);
      const fusable = after.filter((reader) => !isQuantizer(reader));
      return fusable.length > 0 && after.some(isQuantizer) ? [named(node)] : [];
    }),
);

export const oneResidualOperand = rule("of a sum at most one operand is codes", (view) =>
  view.graph.nodes
    .filter(({ opType, inputs }) => opType === "Add" && inputs.every((name) => isDequantized(view, name)))
    .map(named),
);

export const weightsPerChannel = rule("weights of convolutions have one scale per row", (view) =>
  quantizedLayers(view).flatMap(({ node, weight }) => {
    if (rowOf(node)?.macs === "matrix product") return [];
    const scale = shapeOf(view.graph, sourceOf(view, weight)?.inputs[1]);
    return scale?.length === 1 ? [] : [named(node)];
  }),
);

export const matricesPerTensor = rule("weights of MatMul and Gemm have one scale", (view) =>
  quantizedLayers(view).flatMap(({ node, weight }) => {
    if (rowOf(node)?.macs !== "matrix product") return [];
    return shapeOf(view.graph, sourceOf(view, weight)?.inputs[1])?.length === 0 ? [] : [named(node)];
  }),
);

/**
 * Every operator with a float result either has dequantized inputs and quantized outputs, or is not quantized at all.
 */
export const wholeUnits = rule("quantized operators read and write codes", (view) =>
  view.graph.nodes.flatMap((node) => {
    if (isQuantizer(node) || rowOf(node)?.kind === "codes") return [];
    const reads = node.inputs.some((name) => isDequantized(view, name));
    const after = node.outputs.flatMap((name) => readersOf(view, name));
    const writes = after.length > 0 && after.every(({ opType }) => opType === "QuantizeLinear");
    const isOutput = node.outputs.some((name) => view.index.outputs.has(name));
    return !reads || (writes && !isOutput) || isAlone(view, node) ? [] : [named(node)];
  }),
);

/** An operator that also reads floats of layers left in float. */
const isAlone = (view: QuantizedView, node: Node): boolean =>
  rowOf(node)?.parameters !== undefined && quantizedLayers(view).every((layer) => layer.node !== node);

export const staticShapes = rule("all shapes are fixed", ({ graph }) =>
  [...graph.inputs, ...graph.outputs, ...graph.valueInfo.values()].flatMap(({ name, type }) => {
    if (type?.kind !== "tensor") return [];
    return type.shape?.every((dim) => typeof dim === "number") === true ? [] : [`"${name}"`];
  }),
);

/** Nothing but the inputs of layers is quantized. */
export const onlyLayersReadCodes = rule("only layers read codes", (view) => {
  const layers = new Set(quantizedLayers(view).map(({ node }) => node));
  return view.graph.nodes
    .filter((node) => !isQuantizer(node) && !layers.has(node))
    .filter(({ inputs }) => inputs.some((name) => isDequantized(view, name)))
    .map(named);
});

export const plainOperators = rule("operators of the default domain alone", ({ graph }) =>
  graph.nodes.filter(({ domain }) => domain !== "").map(named),
);

/** What ONNX Runtime fuses: a layer with a quantizer behind it, and nothing else reading its floats. */
export const convolutionsWriteCodes = rule("convolutions write codes", (view) =>
  quantizedLayers(view).flatMap(({ node }) => {
    if (node.opType !== "Conv") return [];
    const after = readersOf(view, node.outputs[0]);
    return after.length > 0 && after.every(isQuantizer) ? [] : [named(node)];
  }),
);
