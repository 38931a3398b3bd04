import type { Graph, Node } from "../../ir/model.ts";
import { type Tensor, viewAs } from "../../tensor/tensor.ts";
import { type GraphEdit, setInput } from "../edit-graph.ts";

/** A float32 constant, or undefined. */
export function constantFloat(graph: Graph, name: string | undefined): Tensor | undefined {
  const tensor = name === undefined ? undefined : graph.initializers.get(name);
  return tensor?.dtype === "float32" ? tensor : undefined;
}

/**
 * Puts `tensor` at input `port` of `node`. It takes over the first of `names` that no other node reads, so that
 * parameters keep the names of the source model; else a fresh name is made of the first.
 */
export function setParameter(
  edit: GraphEdit,
  node: Node,
  port: number,
  tensor: Tensor,
  names: readonly (string | undefined)[],
): void {
  const wanted = names.filter((name): name is string => name !== undefined && name !== "");
  const { initializers } = edit.graph;
  const own = wanted.find((name) => initializers.has(name) && edit.uses(name) <= 1);
  const name = own ?? edit.emit.fresh(wanted[0] ?? `${node.name}.parameter`);
  edit.update(node, () => setInput(node, port, name));
  initializers.set(name, tensor);
}

/** A bias as `count` doubles: zeros when absent, spread when it has one element, undefined when it is no such constant. */
export function biasValues(graph: Graph, name: string | undefined, count: number): Float64Array | undefined {
  if (name === undefined || name === "") return new Float64Array(count);
  const tensor = constantFloat(graph, name);
  if (tensor === undefined) return undefined;
  const values = viewAs(tensor, "float32");
  if (values.length === 1) return new Float64Array(count).fill(values[0] as number);
  const last = tensor.dims.at(-1);
  return last === count && values.length === count ? Float64Array.from(values) : undefined;
}
