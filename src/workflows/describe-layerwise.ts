import type { Histogram } from "../calibration/statistics/histogram.ts";
import type { LayerStudy } from "../export/study-layers.ts";
import { studyWeight, type ValueFacts } from "../export/study-values.ts";
import { indexGraph } from "../ir/graph.ts";
import type { Graph, Model, Node } from "../ir/model.ts";
import type { QuantizationPlan, QuantizationState } from "../quantization/types.ts";
import type { LayerwiseSection } from "../report/report-data.ts";
import { type Tensor, viewAs } from "../tensor/tensor.ts";

/**
 * The report's section on a written file against the prepared float model, layer by layer. `state`: what the file holds;
 * `study`: its activations, where they were looked at.
 */
export function describeLayerwise(
  { graph }: Model,
  plan: QuantizationPlan,
  { weights }: QuantizationState,
  study: LayerStudy = { samples: 0, activations: [] },
): LayerwiseSection {
  const layerOf = layerFinder(graph, plan);
  return {
    samples: study.samples,
    activations: study.activations.map(({ tensor, bits, alone, accumulated, ...facts }) => ({
      value: tensor,
      ...layerOf(tensor),
      bits,
      alone,
      accumulated,
      ...plainFacts(facts),
    })),
    weights: Array.from(weights.values(), (weight) => {
      const floats = viewAs(graph.initializers.get(weight.name) as Tensor, "float32");
      const { weight: name, bits, sqnr, ...facts } = studyWeight(weight, floats);
      return { weight: name, bits, sqnr, ...plainFacts(facts) };
    }),
  };
}

function plainFacts({
  range,
  clipped,
  histogram,
}: ValueFacts): Pick<LayerwiseSection["weights"][number], "range" | "clipped" | "histogram"> {
  return { range: [range.min, range.max], clipped, histogram: plainHistogram(histogram) };
}

function plainHistogram({
  exponent,
  first,
  counts,
  zeros,
}: Histogram): LayerwiseSection["weights"][number]["histogram"] {
  const width = 2 ** exponent;
  return { from: first * width, width, counts, zeros };
}

/** What computes a value, and with which quantized weight: that of the layer itself, or of the one whose Relu it is. */
function layerFinder(
  graph: Graph,
  { weights, dropped }: QuantizationPlan,
): (value: string) => { op: string; weight?: string } {
  const { producer } = indexGraph(graph);
  const weightOf = new Map(weights.flatMap(({ name, nodes }) => nodes.map((node) => [node, name] as const)));
  const absorbed = new Set(dropped.map(({ node }) => node));
  return (value) => {
    const node = producer.get(value);
    if (node === undefined) return { op: "input" };
    const before: Node | undefined = producer.get(node.inputs[0] ?? "");
    const layer = absorbed.has(node.name) && before !== undefined ? before : node;
    const weight = weightOf.get(layer.name);
    return { op: layer.opType, ...(weight === undefined ? {} : { weight }) };
  };
}
