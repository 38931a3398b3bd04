import { floatOf } from "../ir/attributes.ts";
import { cloneModel } from "../ir/clone.ts";
import { shapeOf } from "../ir/value-types.ts";
import type { Node } from "../ir/model.ts";
import { type Tensor, tensorOf, viewAs } from "../tensor/tensor.ts";
import { GraphEdit } from "./edit-graph.ts";
import { definePass } from "./define-pass.ts";

/** A graph under edit, and the constants that several nodes read. */
interface Normalization {
  edit: GraphEdit;
  shared: ReadonlySet<string>;
}

/**
 * Brings linear layers into the form that integer kernels take:
 *
 *   alpha · x · w + beta · c  ->  x · (alpha w) + (beta c)     where w and c are constants
 *   c of shape [], [1], [1, N]  ->  [N]                        one value per output feature
 *
 * for Gemm; the second also for the constant that an Add puts onto the product of a MatMul.
 */
export const normalizeLinear = definePass({
  name: "normalize-linear",
  run(model, context) {
    if (!model.graph.nodes.some((node) => isOf(node, "Gemm") || isOf(node, "MatMul"))) return model;
    const result = cloneModel(model);
    const { graph } = result;
    const edit = new GraphEdit(graph);
    const shared = new Set([...graph.initializers.keys()].filter((name) => edit.uses(name) > 1));
    const work = { edit, shared };
    const products = new Set(
      graph.nodes.filter((node) => isOf(node, "MatMul")).map(({ outputs }) => outputs[0]),
    );
    let changed = false;
    for (const node of graph.nodes) {
      if (isOf(node, "Gemm")) {
        const reason = foldFactors(work, node);
        if (typeof reason === "string") context.refuse(node, reason);
        const flattened = flattenConstant(work, node, 2, shapeOf(graph, node.outputs[0]));
        changed = flattened || reason === true || changed;
      } else if (isOf(node, "Add")) {
        const product = node.inputs.findIndex((name) => products.has(name));
        if (product < 0) continue;
        changed = flattenConstant(work, node, 1 - product, shapeOf(graph, node.inputs[product])) || changed;
      }
    }
    if (!changed) return model;
    for (const name of shared) if (edit.uses(name) === 0) graph.initializers.delete(name);
    edit.finish();
    return result;
  },
});

const isOf = (node: Node, opType: string): boolean => node.opType === opType && node.domain === "";

/** Multiplies alpha and beta into the constants of a Gemm: true when done, or why it stays; false: nothing to do. */
function foldFactors(work: Normalization, node: Node): boolean | string {
  const { initializers } = work.edit.graph;
  const [, w = "", c = ""] = node.inputs;
  const alpha = floatOf(node, "alpha", 1);
  const beta = c === "" ? 1 : floatOf(node, "beta", 1);
  if (alpha === 1 && beta === 1) return false;
  const wrong = [...(alpha === 1 ? [] : [w]), ...(beta === 1 ? [] : [c])].find(
    (name) => initializers.get(name)?.dtype !== "float32",
  );
  if (wrong !== undefined) return `alpha is ${alpha}, beta is ${beta} and "${wrong}" is no float32 constant`;
  if (alpha !== 1) replaceConstant(work, node, 1, (tensor) => scaled(tensor, alpha));
  if (beta !== 1) replaceConstant(work, node, 2, (tensor) => scaled(tensor, beta));
  node.attributes.delete("alpha");
  node.attributes.delete("beta");
  return true;
}

/** Gives the constant at `port` the shape [N] of the last dimension of `shape`, where it broadcasts the same. */
function flattenConstant(
  work: Normalization,
  node: Node,
  port: number,
  shape: readonly unknown[] | undefined,
): boolean {
  const tensor = work.edit.graph.initializers.get(node.inputs[port] ?? "");
  const features = shape?.at(-1);
  if (tensor?.dtype !== "float32" || shape === undefined || typeof features !== "number") return false;
  const { dims } = tensor;
  const one = dims.every((dim) => dim === 1);
  const perFeature = one || (dims.at(-1) === features && dims.slice(0, -1).every((dim) => dim === 1));
  // A constant of more dimensions than the product would give the sum more dimensions, too.
  if (!perFeature || dims.length > shape.length || (dims.length === 1 && dims[0] === features)) return false;
  replaceConstant(work, node, port, () => widened(tensor, features));
  return true;
}

/** Puts a changed constant in place of the one at `port`; under its own name where nothing else reads that. */
function replaceConstant(
  { edit, shared }: Normalization,
  node: Node,
  port: number,
  change: (tensor: Tensor) => Tensor,
): void {
  const name = node.inputs[port] as string;
  const tensor = change(edit.graph.initializers.get(name) as Tensor);
  if (!shared.has(name)) {
    edit.graph.initializers.set(name, tensor);
    return;
  }
  edit.update(node, () => {
    node.inputs[port] = edit.emit.constant(tensor, `${name}.${node.name}`);
  });
}

const scaled = ({ dims, ...tensor }: Tensor, factor: number): Tensor =>
  tensorOf(
    "float32",
    dims,
    viewAs({ dims, ...tensor }, "float32").map((value) => value * factor),
  );

function widened(tensor: Tensor, features: number): Tensor {
  const source = viewAs(tensor, "float32");
  return tensorOf(
    "float32",
    [features],
    source.length === features ? source : new Float32Array(features).fill(source[0] as number),
  );
}
