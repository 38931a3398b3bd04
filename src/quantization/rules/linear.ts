import { floatOf } from "../../ir/attributes.ts";
import { weightPortOf } from "../../ops/catalogue/ports.ts";
import { type Answer, inputOf, type Rule, type RuleContext, soleReader, stayFloat } from "./rule.ts";
import type { Node } from "../../ir/model.ts";
import { useOf } from "../targets/target.ts";

/** QGemm: weight per output feature, int32 bias; writes codes or floats. */
export const gemm: Rule = (node, { graph }): Answer => {
  const [x, w, bias] = [inputOf(node, 0), inputOf(node, 1), inputOf(node, 2)];
  const weight = w === undefined ? undefined : graph.initializers.get(w);
  if (x === undefined || w === undefined || weight === undefined)
    return stayFloat("its weight is computed by the graph, not a constant");
  const alpha = floatOf(node, "alpha", 1);
  const beta = floatOf(node, "beta", 1);
  if (alpha !== 1 || (bias !== undefined && beta !== 1))
    return stayFloat(`alpha is ${alpha} and beta ${beta}, and cannot be folded into constants`);
  const axis = weightPortOf(node)?.axis(node, 2) ?? 1;
  if (bias !== undefined) {
    const constant = graph.initializers.get(bias);
    if (constant === undefined) return stayFloat("its bias is computed by the graph, not a constant");
    if (constant.dims.length !== 1 || constant.dims[0] !== weight.dims[axis])
      return stayFloat(`its bias has shape [${constant.dims.join(",")}], not one value per output feature`);
  }
  return {
    kind: "integer",
    inputs: [x],
    outputs: [node.outputs[0] as string],
    weight: { name: w, axis },
    ...(bias === undefined ? {} : { bias: { name: bias, node: node.name } }),
  };
};

/**
 * QLinearMatMul or MatMulIntegerToFloat, and QGemm together with the Add of a constant bias behind it. The second
 * operand is a constant of rank 2 (scales along its last axis), or both operands are activations.
 */
export const matMul: Rule = (node, context): Answer => {
  const [a, b] = [inputOf(node, 0), inputOf(node, 1)];
  const { initializers } = context.graph;
  if (a === undefined || b === undefined) return stayFloat("an operand is missing");
  if (initializers.has(a))
    return stayFloat("its first operand is a constant; only the second may be a weight");
  const base = { kind: "integer" } as const;
  const weight = initializers.get(b);
  if (weight === undefined) return { ...base, inputs: [a, b], outputs: [node.outputs[0] as string] };
  if (weight.dims.length !== 2)
    return stayFloat(
      `its weight has rank ${weight.dims.length}; integer kernels take per-channel scales at rank 2`,
    );
  const port = { name: b, axis: 1 };
  const absorbs = useOf(context.options.target, node.opType)?.absorbsBiasAdd === true;
  const add = absorbs ? biasAddOf(node, weight.dims[1] as number, context) : undefined;
  if (add === undefined) return { ...base, inputs: [a], outputs: [node.outputs[0] as string], weight: port };
  const bias = { name: add.bias, node: add.node.name };
  return {
    ...base,
    inputs: [a],
    outputs: [add.node.outputs[0] as string],
    weight: port,
    bias,
    absorbs: [add.node],
  };
};

/** The Add of a constant [features] behind a MatMul that nothing else reads. */
function biasAddOf(
  node: Node,
  features: number,
  context: RuleContext,
): { node: Node; bias: string } | undefined {
  const output = node.outputs[0] as string;
  const add = soleReader(output, context);
  if (add?.opType !== "Add" || add.domain !== "") return undefined;
  const { excludeNodes, excludeOps } = context.options;
  if (excludeNodes.includes(add.name) || excludeOps.includes("Add")) return undefined;
  const bias = add.inputs[0] === output ? add.inputs[1] : add.inputs[0];
  const constant = bias === undefined ? undefined : context.graph.initializers.get(bias);
  if (bias === undefined || constant?.dtype !== "float32") return undefined;
  return constant.dims.length === 1 && constant.dims[0] === features ? { node: add, bias } : undefined;
}
