import { tensorType } from "../ir/graph.ts";
import type { Model, Node, TensorValueType, Value } from "../ir/model.ts";
import { rowOf } from "../ops/catalogue/catalogue.ts";
import type { DataType } from "../tensor/data-type.ts";

/** A value of the shape of another one, and its element type where that is another, too. */
interface Follower {
  of: string;
  dtype?: DataType;
}

/**
 * Values whose types are those of another value, whatever that is: of operators on one input that may write over it, and of
 * quantizers. ONNX Runtime takes time for each output of a graph that it is asked for, and need not be asked for these.
 */
export function findFollowers({ graph }: Model): Map<string, Follower> {
  const followers = new Map<string, Follower>();
  for (const node of graph.nodes) {
    const [output = ""] = node.outputs;
    const follower = output === "" || node.outputs.length > 1 ? undefined : followerOf(node, graph);
    if (follower !== undefined) followers.set(output, follower);
  }
  return followers;
}

function followerOf(node: Node, { initializers }: Model["graph"]): Follower | undefined {
  const [of = "", scale = "", zeroPoint = ""] = node.inputs;
  const row = rowOf(node);
  if (row?.kind === "elementwise")
    return node.inputs.length === 1 && row.overwrites?.includes(0) === true ? { of } : undefined;
  if (node.domain !== "") return undefined;
  const dtypeOf = (name: string): Partial<Follower> | undefined => {
    const dtype = initializers.get(name)?.dtype;
    return dtype && { dtype };
  };
  if (node.opType === "QuantizeLinear") return follow(of, dtypeOf(zeroPoint));
  return node.opType === "DequantizeLinear" ? follow(of, dtypeOf(scale)) : undefined;
}

const follow = (of: string, dtype: Partial<Follower> | undefined): Follower | undefined =>
  dtype && { of, ...dtype };

/** Adds the types of followers to those of the values that they follow; `inputs`: of the graph. */
export function addFollowers(
  types: Map<string, TensorValueType>,
  followers: ReadonlyMap<string, Follower>,
  { graph }: Model,
  inputs: readonly Value[],
): void {
  const given = new Map(inputs.map(({ name, type }) => [name, type]));
  for (const { outputs } of graph.nodes) {
    const [output = ""] = outputs;
    const follower = followers.get(output);
    if (follower === undefined) continue;
    const constant = graph.initializers.get(follower.of);
    const followed =
      types.get(follower.of) ??
      given.get(follower.of) ??
      (constant && tensorType(constant.dtype, [...constant.dims]));
    if (followed?.kind !== "tensor") continue;
    types.set(output, { ...followed, dtype: follower.dtype ?? followed.dtype });
  }
}
