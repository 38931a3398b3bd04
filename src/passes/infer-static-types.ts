import { subgraphsOf } from "../ir/attributes.ts";
import { createNode, reachableNodes, readNames, tensorType } from "../ir/graph.ts";
import type { Dim, Model, Node, TensorValueType, Value } from "../ir/model.ts";
import { rowOf } from "../ops/catalogue/catalogue.ts";
import { withSession } from "../runtime/open-model.ts";
import { type PortType, transferable } from "../runtime/session.ts";
import { type Tensor, toNumbers } from "../tensor/tensor.ts";
import { addFollowers, findFollowers } from "./follow-types.ts";
import { isOverLimit, largestProbe, loadLimits, runLimits } from "./preparation-limits.ts";
import { constantFeeds, feedBytes, type Probe, probeModel } from "./probe-model.ts";

export interface StaticTypeOptions {
  /**
   * Also run operators that hold subgraphs, once on zeros and once on ones: a shape behind them that is the same both times
   * is taken for what it always is.
   */
  runLoops?: boolean;
}

/**
 * Types of all inner values when every input shape is static. ONNX Runtime infers what it can without running;
 * the rest (shapes computed from shapes) comes from one run on zeros, which asks for those values only. Values
 * behind an operator whose output shape depends on data keep what is known without running, and so do all where that
 * run would take too long or too much memory. Operators that hold subgraphs are run with `runLoops` alone.
 */
export async function inferStaticTypes(
  model: Model,
  inputs: readonly Value[],
  options: StaticTypeOptions = {},
): Promise<Map<string, TensorValueType>> {
  const values = model.graph.nodes.flatMap((node) => node.outputs).filter((name) => name !== "");
  const last = values.at(-1);
  if (last === undefined) return new Map();
  const followers = findFollowers(model);
  followers.delete(last);
  const probe = probeModel(
    model,
    inputs,
    values.filter((name) => !followers.has(name)),
  );
  const types = await probedTypes(model, inputs, probe, options);
  addFollowers(types, followers, model, inputs);
  return types;
}

/** Types of the values that a probe of the model asks for. */
function probedTypes(
  model: Model,
  inputs: readonly Value[],
  probe: Probe,
  { runLoops = false }: StaticTypeOptions,
): Promise<Map<string, TensorValueType>> {
  return withSession(probe.model, { ...plain, limits: loadLimits(model) }, async (session) => {
    const { types, open, behindLoops } = readTypes(model, session.outputs);
    const measure = async (names: readonly string[], values: readonly number[]): Promise<void> => {
      const part = withoutUnread(model, names);
      if (names.length === 0 || isLarge(part, inputs, types)) return;
      const found: Map<string, number[]>[] = [];
      for (const value of values) found.push(await measuredShapes(part, inputs, names, value));
      for (const [name, shape] of agreedShapes(found))
        types.set(name, { ...(types.get(name) as TensorValueType), shape });
    };
    await measure(open, [0]);
    if (runLoops) await measure(behindLoops, [0, 1]);
    return types;
  });
}

/** The shapes that all of several runs found. */
function agreedShapes([first = new Map(), ...others]: readonly Map<string, number[]>[]): Map<
  string,
  number[]
> {
  return new Map(
    [...first].filter(([name, shape]) => others.every((other) => other.get(name)?.join() === shape.join())),
  );
}

const plain = { optimization: "disabled", threads: 1 } as const;

/**
 * What the runtime says of the values, and which of them have to be measured to be known: in one run on zeros, or, behind
 * operators that hold subgraphs, in several.
 */
function readTypes(
  model: Model,
  ports: readonly PortType[],
): { types: Map<string, TensorValueType>; open: string[]; behindLoops: string[] } {
  const types = new Map<string, TensorValueType>();
  const byData = valuesBehind(model, isShapedByData(model));
  const byLoops = valuesBehind(model, (node) => subgraphsOf(node).length > 0);
  const isUnstable = (name: string): boolean => byData.has(name) || byLoops.has(name);
  for (const port of ports) if (port.tensor) types.set(port.name, typeOfPort(port, isUnstable(port.name)));
  const unknown = [...types]
    .filter(([name, type]) => !isStatic(type) && !byData.has(name) && transferable.has(type.dtype))
    .map(([name]) => name);
  return {
    types,
    open: unknown.filter((name) => !byLoops.has(name)),
    behindLoops: unknown.filter((name) => byLoops.has(name)),
  };
}

/** Shapes of the values `names` from a run on inputs of one value; none where it would take too much. */
async function measuredShapes(
  model: Model,
  inputs: readonly Value[],
  names: readonly string[],
  value: number,
): Promise<Map<string, number[]>> {
  // The graph hands over shapes, not values, which would be most of the work.
  const measured = names.map((name, index) => ({ name, shape: `efqat/shape/${index}` }));
  const shapeNodes = measured.map(({ name, shape }) =>
    createNode({ name: shape, opType: "Shape", inputs: [name], outputs: [shape] }),
  );
  const asking: Model = { ...model, graph: { ...model.graph, nodes: [...model.graph.nodes, ...shapeNodes] } };
  const probe = probeModel(
    asking,
    inputs,
    measured.map(({ shape }) => shape),
  );
  const feeds = { ...constantFeeds(inputs, value), ...Object.fromEntries(probe.fed) };
  const options = { ...plain, limits: runLimits(model) };
  try {
    const outputs = await withSession(probe.model, options, (session) => session.run(feeds));
    return new Map(measured.map(({ name, shape }) => [name, toNumbers(outputs[shape] as Tensor)]));
  } catch (error) {
    if (isOverLimit(error)) return new Map();
    throw error;
  }
}

/** Whether the inputs, or one of the values whose size is known, are too large to be computed for their shapes' sake. */
function isLarge(
  { graph }: Model,
  inputs: readonly Value[],
  types: ReadonlyMap<string, TensorValueType>,
): boolean {
  if (feedBytes(inputs) > largestProbe) return true;
  return graph.nodes.some(({ outputs }) =>
    outputs.some((name) => feedBytes([{ name, type: types.get(name) }]) > largestProbe),
  );
}

/** The model reduced to the nodes that `names` depend on. */
function withoutUnread(model: Model, names: readonly string[]): Model {
  const { nodes } = reachableNodes(model.graph, names);
  return { ...model, graph: { ...model.graph, nodes } };
}

function typeOfPort(port: PortType, unstable: boolean): TensorValueType {
  if (unstable && port.shape.length === 0) return tensorType(port.dtype, undefined);
  const shape = port.shape.map((dim): Dim => (typeof dim === "number" ? dim : undefined));
  return tensorType(port.dtype, shape);
}

/** The runtime reports a value of unknown rank like a scalar, so that an empty shape has to be measured too. */
function isStatic({ shape }: TensorValueType): boolean {
  return shape !== undefined && shape.length > 0 && shape.every((dim) => typeof dim === "number");
}

/** Values that are computed from results of some nodes, and these results. */
function valuesBehind({ graph }: Model, isSource: (node: Node) => boolean): Set<string> {
  const behind = new Set<string>();
  for (const node of graph.nodes) {
    if (!isSource(node) && !readNames(node).some((name) => behind.has(name))) continue;
    for (const output of node.outputs) behind.add(output);
  }
  return behind;
}

/** Nodes whose results are as large as the values that they read say, and calls of functions, which may hold such. */
function isShapedByData({ functions }: Model): (node: Node) => boolean {
  const calls = new Set(functions.map(({ domain, name }) => `${domain}::${name}`));
  return (node) => holdsShapedByData(node) || calls.has(`${node.domain}::${node.opType}`);
}

const holdsShapedByData = (node: Node): boolean =>
  rowOf(node)?.shapedByData === true ||
  subgraphsOf(node).some(({ nodes }) => nodes.some((inner) => holdsShapedByData(inner)));
