import { contribOpsets, createGraph, createModel, createNode, createValue } from "../../ir/graph.ts";
import type { Model, Node } from "../../ir/model.ts";
import type { Algorithms } from "../../lowering/algorithms.ts";
import { lowerGradientNodes } from "../../lowering/lower-gradient-nodes.ts";
import { windowProblemOf } from "../../ops/gradient-nodes.ts";
import type { TrialTarget } from "../artifact/forward-candidate.ts";
import type { DataType } from "../../tensor/data-type.ts";
import { elementCount, ints, type Tensor, tensorOf } from "../../tensor/tensor.ts";

/** A model of the node alone; its output is summed, so that little has to be carried out. */
export function trialModel(node: Node, algorithms: Algorithms, { opset, ...allowed }: TrialTarget): Model {
  const graph = createGraph("trial");
  const types = inputsOf[node.opType as Tried](node);
  graph.inputs = types.map(({ dtype, shape }, index) =>
    createValue(node.inputs[index] as string, dtype, shape),
  );
  graph.nodes = [
    node,
    createNode({
      name: "sum",
      opType: "ReduceSum",
      inputs: node.outputs.slice(0, 1),
      outputs: ["trial.sum"],
    }),
  ];
  graph.outputs = [createValue("trial.sum", "float32", undefined)];
  const lowered = lowerGradientNodes(graph, { ...allowed, algorithms });
  return createModel(lowered, opset, contribOpsets(lowered));
}

interface TrialInput {
  dtype: DataType;
  shape: (number | string)[];
}

const weightShape = (node: Node): number[] => {
  const { x, y, kernel, group } = windowProblemOf(node);
  return [y[1] as number, (x[1] as number) / group, ...kernel];
};

/** Inputs of the abstract nodes that have several algorithms. */
const inputsOf = {
  ConvDataGrad: (node: Node): TrialInput[] => [
    { dtype: "float32", shape: windowProblemOf(node).y },
    { dtype: "float32", shape: weightShape(node) },
    ...(node.inputs.length > 2
      ? [
          { dtype: "int8" as const, shape: weightShape(node) },
          { dtype: "float32" as const, shape: [weightShape(node)[0] as number] },
        ]
      : []),
  ],
  ConvWeightGrad: (node: Node): TrialInput[] => [
    { dtype: "float32", shape: windowProblemOf(node).x },
    { dtype: "float32", shape: windowProblemOf(node).y },
    ...(node.inputs.length > 2 ? [{ dtype: "int64" as const, shape: ["rows"] }] : []),
  ],
} satisfies Record<string, (node: Node) => TrialInput[]>;
type Tried = keyof typeof inputsOf;

/** Whether a gradient node has several algorithms. */
export const isTried = ({ opType }: Node): boolean => Object.hasOwn(inputsOf, opType);

/** Constant values of every input, which the kernels take as long for as for any others. */
export function trialFeeds(node: Node, ratio: number): Record<string, Tensor> {
  const types = inputsOf[node.opType as Tried](node);
  return Object.fromEntries(
    types.map(({ dtype, shape }, index) => [
      node.inputs[index] as string,
      valuesOf(node, dtype, shape, ratio),
    ]),
  );
}

function valuesOf(node: Node, dtype: DataType, shape: readonly (number | string)[], ratio: number): Tensor {
  if (dtype === "int64") {
    const rows = Math.max(1, Math.round(ratio * (weightShape(node)[0] as number)));
    return ints(Array.from({ length: rows }, (_, row) => row));
  }
  const dims = shape.map(Number);
  if (dtype === "int8") return tensorOf("int8", dims, new Int8Array(elementCount(dims)).fill(3));
  return tensorOf("float32", dims, new Float32Array(elementCount(dims)).fill(0.5));
}
