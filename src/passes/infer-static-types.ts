import { subgraphsOf } from "../ir/attributes.ts";
import { createNode, reachableNodes, readNames, tensorType } from "../ir/graph.ts";
import type { Dim, Model, Node, TensorValueType, Value } from "../ir/model.ts";
import { rowOf } from "../ops/catalogue/catalogue.ts";
import { withSession } from "../runtime/open-model.ts";
import { type PortType, transferable } from "../runtime/session.ts";
import { type Tensor, toNumbers } from "../tensor/tensor.ts";
import { addFollowers, findFollowers } from "./follow-types.ts";
import { isOverLimit, largestProbe, loadLimits, runLimits } from "./preparation-limits.ts";
import { feedBytes, type Probe, probeModel, zeroFeeds } from "./probe-model.ts";

/**
 * Types of all inner values when every input shape is static. ONNX Runtime infers what it can without running;
 * the rest (shapes computed from shapes) comes from one run on zeros, which asks for those values only. Values
 * behind an operator whose output shape depends on data keep what is known without running, and so do all where that
 * run would take too long or too much memory. Loops are never run.
 */
export async function inferStaticTypes(
  model: Model,
  inputs: readonly Value[],
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
  const types = await probedTypes(model, inputs, probe);
  addFollowers(types, followers, model, inputs);
  return types;
}

/** Types of the values that a probe of the model asks for. */
function probedTypes(
  model: Model,
  inputs: readonly Value[],
  probe: Probe,
): Promise<Map<string, TensorValueType>> {
  return withSession(probe.model, { ...plain, limits: loadLimits(model) }, async (session) => {
    const { types, open } = readTypes(model, session.outputs);
    const part = withoutUnread(model, open);
    if (open.length === 0 || isLarge(part, inputs, types)) return types;
    const shapes = await measuredShapes(part, inputs, open);
    for (const [name, shape] of shapes) types.set(name, { ...(types.get(name) as TensorValueType), shape });
    return types;
  });
}

const plain = { optimization: "disabled", threads: 1 } as const;

/** What the runtime says of the values, and which of them have to be measured to be known. */
function readTypes(
  model: Model,
  ports: readonly PortType[],
): { types: Map<string, TensorValueType>; open: string[] } {
  const types = new Map<string, TensorValueType>();
  const unstable = valuesOfUnstableShape(model);
  for (const port of ports) if (port.tensor) types.set(port.name, typeOfPort(port, unstable.has(port.name)));
  const open = [...types].filter(
    ([name, type]) => !isStatic(type) && !unstable.has(name) && transferable.has(type.dtype),
  );
  return { types, open: open.map(([name]) => name) };
}

/** Shapes of the values `names` from a run on zeros; none where it would take too much. */
async function measuredShapes(
  model: Model,
  inputs: readonly Value[],
  names: readonly string[],
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
  const feeds = { ...zeroFeeds(inputs), ...Object.fromEntries(probe.fed) };
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

function valuesOfUnstableShape({ graph, functions }: Model): Set<string> {
  const unstable = new Set<string>();
  const calls = new Set(functions.map(({ domain, name }) => `${domain}::${name}`));
  for (const node of graph.nodes) {
    const own = hasUnstableShape(node) || calls.has(`${node.domain}::${node.opType}`);
    if (!own && !readNames(node).some((name) => unstable.has(name))) continue;
    for (const output of node.outputs) unstable.add(output);
  }
  return unstable;
}

function hasUnstableShape(node: Node): boolean {
  return rowOf(node)?.shapedByData === true || subgraphsOf(node).length > 0;
}
