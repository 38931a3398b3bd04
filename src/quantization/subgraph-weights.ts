import { groupBy } from "../group-by.ts";
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

/** Fewest elements of a weight that is quantized: in smaller ones the scales take the memory that the codes save. */
const fewest = 256;

/** A constant that operators inside subgraphs read as their weight. */
interface SubgraphWeight {
  name: string;
  /** The graph that defines it: the main graph or one of its subgraphs. */
  home: Graph;
  /**
   * The graphs that get a DequantizeLinear: `home`, or if that is the main graph, its direct subgraphs that read the
   * weight.
   */
  places: ReadonlySet<Graph>;
  tensor: Tensor;
  axis: number;
}

export interface QuantizedSubgraphs {
  model: Model;
  /** Names of the quantized weights. */
  weights: string[];
}

/**
 * Stores weights of operators inside If, Loop and Scan bodies as int8 codes with one scale per output channel; a
 * DequantizeLinear in the body writes the weight's name, and the operators compute in float with the rounded weights.
 * Weights that other nodes read as well stay float. The opset must be 13 or later.
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
  removeDefinitions(found);
  for (const weight of found) encode(weight, method, taken);
  return { model, weights: found.map(({ name }) => name) };
}

/**
 * Each constant with the axis of its output channels, as its readers use it; undefined where a reader does not use it
 * as a weight.
 */
type Readings = Map<Tensor, (SubgraphWeight & { isInside: boolean }) | undefined>;

function findWeights(graph: Graph): SubgraphWeight[] {
  const readings: Readings = new Map();
  collect(scopeOf(graph), [], readings);
  return [...readings.values()].flatMap((weight) => (weight?.isInside === true ? [weight] : []));
}

/** A graph with the constants that its names refer to. */
interface Scope {
  graph: Graph;
  /** Constants by name; undefined for values that are computed or are inputs. */
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

/**
 * Enters the constants that the nodes of a graph and its subgraphs read into `readings`. `outer`: the graphs around it,
 * innermost first.
 */
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
    // The main graph contains only quantizers of its plan.
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

/** The constant that a name refers to in the innermost of nested graphs; undefined if it is no constant. */
function constantNamed(scopes: readonly Scope[], name: string): { home: Graph; tensor: Tensor } | undefined {
  const scope = name === "" ? undefined : scopes.find(({ constants }) => constants.has(name));
  const tensor = scope?.constants.get(name);
  return scope && tensor && { home: scope.graph, tensor };
}

/** The axis of output channels if the node reads the constant as its weight; otherwise undefined. */
function weightAxis(node: Node, slot: number, { dtype, dims }: Tensor): number | undefined {
  const port = node.domain === "" ? rowOf(node)?.parameters?.find((each) => each.slot === slot) : undefined;
  const isWeight = port !== undefined && ["weight", "recurrent weight", "table"].includes(port.role);
  const count = dims.reduce((product, dim) => product * dim, 1);
  if (!isWeight || dtype !== "float32" || dims.length < 2 || count < fewest) return undefined;
  return port.axis?.(node, dims.length);
}

/** Removes the initializers and Constant nodes of the weights. */
function removeDefinitions(found: readonly SubgraphWeight[]): void {
  for (const [home, weights] of groupBy(found, (weight) => weight.home)) {
    const names = new Set(weights.map(({ name }) => name));
    for (const name of names) {
      home.initializers.delete(name);
      home.valueInfo.delete(name);
    }
    home.nodes = home.nodes.filter(
      ({ opType, outputs }) => opType !== "Constant" || !outputs.some((name) => names.has(name)),
    );
  }
}

function encode(
  { name, places, tensor, axis }: SubgraphWeight,
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
  // ONNX Runtime 1.30 needs the codes in the same graph as the DequantizeLinear, not in one around it.
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
