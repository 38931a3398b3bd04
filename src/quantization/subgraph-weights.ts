import { quantizerNames } from "../ir/derived-names.ts";
import { subgraphsOf, tensorOfAttribute } from "../ir/attributes.ts";
import { cloneModel } from "../ir/clone.ts";
import { createNode, usedNames } from "../ir/graph.ts";
import type { Graph, Model, Node } from "../ir/model.ts";
import { rowOf } from "../ops/catalogue/catalogue.ts";
import { rowLayout } from "../tensor/rows.ts";
import { floats, type Tensor, tensorOf, viewAs } from "../tensor/tensor.ts";
import { encodeWeight } from "./encode-weight.ts";
import { findWeightScales, type WeightScaleMethod } from "./weight-scales.ts";

/** Symmetric codes of 8 bits. */
const codes = { qmin: -127, qmax: 127 };

/** Weights of fewer elements stay: their scales would take what their codes save. */
const fewest = 256;

/** A constant that operators within subgraphs have as their weight. */
interface SubgraphWeight {
  name: string;
  /** Where it is defined: the graph itself, or one of its subgraphs. */
  home: Graph;
  /** Where it is dequantized: there, or in the subgraphs of the graph itself that read it. */
  places: ReadonlySet<Graph>;
  tensor: Tensor;
  axis: number;
}

export interface QuantizedSubgraphs {
  model: Model;
  /** Names of the weights that are codes now. */
  weights: string[];
}

/**
 * Holds weights of operators inside If, Loop and Scan bodies as int8 codes with a scale per output channel and a
 * DequantizeLinear within, under the weight's name: their operators compute in floats as before, on the rounded
 * weights. Weights that anything else reads, too, stay. The opset must be 13 or later.
 * @throws UserError when a weight holds NaN or Inf
 */
export function quantizeSubgraphWeights(
  source: Model,
  method: WeightScaleMethod = "mse",
): QuantizedSubgraphs {
  if (source.graph.nodes.every((node) => subgraphsOf(node).length === 0))
    return { model: source, weights: [] };
  const model = cloneModel(source);
  const found = findWeights(model.graph);
  const taken = usedNames(model.graph);
  for (const weight of found) encode(weight, method, taken);
  return { model, weights: found.map(({ name }) => name) };
}

/** Which axis each constant has its output channels on by its readers; undefined where one of them is no such operator. */
type Readings = Map<Tensor, (SubgraphWeight & { isInside: boolean }) | undefined>;

function findWeights(graph: Graph): SubgraphWeight[] {
  const readings: Readings = new Map();
  collect(scopeOf(graph), [], readings);
  return [...readings.values()].flatMap((weight) => (weight?.isInside === true ? [weight] : []));
}

/** A graph and what its names mean. */
interface Scope {
  graph: Graph;
  /** Its constants; undefined for what is computed or fed. */
  constants: ReadonlyMap<string, Tensor | undefined>;
}

function scopeOf(graph: Graph): Scope {
  const constants = new Map<string, Tensor | undefined>(graph.initializers);
  for (const node of graph.nodes)
    for (const name of node.outputs)
      constants.set(name, node.opType === "Constant" ? tensorOfAttribute(node, "value") : undefined);
  for (const { name } of graph.inputs) constants.set(name, undefined);
  return { graph, constants };
}

/** Enters what the nodes of a graph, which lies within `outer`, read of constants in any of them. */
function collect(scope: Scope, outer: readonly Scope[], readings: Readings): void {
  const scopes = [scope, ...outer];
  const read = (name: string, axisOf: (tensor: Tensor) => number | undefined): void => {
    const constant = constantNamed(scopes, name);
    if (constant === undefined) return;
    const { tensor } = constant;
    const before = readings.get(tensor);
    const axis = readings.has(tensor) && before === undefined ? undefined : axisOf(tensor);
    const isKnown = axis !== undefined && (before === undefined || before.axis === axis);
    const isInside = outer.length > 0 && before?.isInside !== false;
    // The graph that holds all has no quantizer but those that are planned for it.
    const isOutermost = constant.home === scopes.at(-1)?.graph;
    const place = (isOutermost ? scopes.at(-2)?.graph : undefined) ?? constant.home;
    const places = new Set([...(before?.places ?? []), place]);
    readings.set(tensor, isKnown ? { ...constant, name, axis, isInside, places } : undefined);
  };
  for (const node of scope.graph.nodes) {
    for (const [slot, name] of node.inputs.entries()) read(name, (tensor) => weightAxis(node, slot, tensor));
    for (const inner of subgraphsOf(node)) collect(scopeOf(inner), scopes, readings);
  }
  for (const { name } of scope.graph.outputs) read(name, () => undefined);
}

/** The constant that a name means in the innermost of nested graphs. */
function constantNamed(scopes: readonly Scope[], name: string): { home: Graph; tensor: Tensor } | undefined {
  const scope = name === "" ? undefined : scopes.find(({ constants }) => constants.has(name));
  const tensor = scope?.constants.get(name);
  return scope && tensor && { home: scope.graph, tensor };
}

/** The axis of output channels, where a node has the constant as its weight. */
function weightAxis(node: Node, slot: number, { dtype, dims }: Tensor): number | undefined {
  const port = node.domain === "" ? rowOf(node)?.parameters?.find((each) => each.slot === slot) : undefined;
  const isWeight = port !== undefined && ["weight", "recurrent weight", "table"].includes(port.role);
  const count = dims.reduce((product, dim) => product * dim, 1);
  if (!isWeight || dtype !== "float32" || dims.length < 2 || count < fewest) return undefined;
  return port.axis?.(node, dims.length);
}

function encode(
  { name, home, places, tensor, axis }: SubgraphWeight,
  method: WeightScaleMethod,
  taken: Set<string>,
): void {
  const names = quantizerNames(name);
  const fresh = (wanted: string): string => {
    let free = wanted;
    for (let i = 2; taken.has(free); i++) free = `${wanted}_${i}`;
    taken.add(free);
    return free;
  };
  const layout = rowLayout(tensor.dims, axis);
  const data = viewAs(tensor, "float32");
  const scales = findWeightScales(name, data, layout, codes, method);
  const encoded = tensorOf("int8", tensor.dims, encodeWeight(data, layout, scales, codes));
  home.initializers.delete(name);
  home.valueInfo.delete(name);
  home.nodes = home.nodes.filter((node) => node.opType !== "Constant" || !node.outputs.includes(name));
  // ONNX Runtime 1.30 looks for the codes beside the DequantizeLinear, not in graphs around it.
  for (const { initializers, nodes } of places) {
    const inputs = [fresh(names.codes), fresh(`${name}.scale`)] as const;
    initializers.set(inputs[0], encoded);
    initializers.set(inputs[1], floats(scales, [layout.rows]));
    nodes.unshift(
      createNode({
        name: fresh(`${name}/DequantizeLinear`),
        opType: "DequantizeLinear",
        attributes: { axis },
        inputs,
        outputs: [name],
      }),
    );
  }
}
