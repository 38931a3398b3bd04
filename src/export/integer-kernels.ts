import type { Graph, Node } from "../ir/model.ts";

/** Kernels of ONNX Runtime that compute on integers. */
const integerOperators = new Set([
  ...["QLinearConv", "QLinearMatMul", "QGemm", "ConvInteger", "MatMulInteger", "MatMulIntegerToFloat"],
  ...["QLinearAdd", "QLinearMul", "QLinearConcat", "QLinearWhere", "QLinearLeakyRelu", "QLinearSigmoid"],
  ...["NhwcMaxPool", "QLinearSoftmax", "QLinearAveragePool", "QLinearGlobalAveragePool", "QLinearReduceMean"],
]);

/** Operators that work on codes when given codes. */
const movers = new Set([
  ...[
    "MaxPool",
    "Reshape",
    "Flatten",
    "Transpose",
    "Squeeze",
    "Unsqueeze",
    "Slice",
    "Split",
    "Gather",
    "GatherElements",
  ],
  ...["Expand", "Tile", "Identity", "Resize", "ReduceMax", "ReduceMin", "Clip", "Concat", "Pad", "ArgMax"],
]);

const writesFloat = new Set(["ConvInteger", "MatMulInteger", "MatMulIntegerToFloat", "DequantizeLinear"]);

/** Nodes of an optimized graph that run on integer kernels. */
export function findIntegerNodes(graph: Graph): Set<Node> {
  const codes = new Set<string>();
  for (const [name, { dtype }] of graph.initializers) if (/^u?int[48]$/.test(dtype)) codes.add(name);
  const integer = new Set<Node>();
  for (const node of graph.nodes) {
    const moves = movers.has(node.opType) && codes.has(node.inputs[0] ?? "");
    if (moves || integerOperators.has(node.opType)) integer.add(node);
    const quantizes = node.opType === "QuantizeLinear" || node.opType === "DynamicQuantizeLinear";
    const writesCodes =
      integerOperators.has(node.opType) && !writesFloat.has(node.opType) && !dequantizes(node);
    if (moves || quantizes || writesCodes) for (const output of node.outputs) codes.add(output);
  }
  return integer;
}

/** QGemm without an output scale writes floats. */
function dequantizes(node: Node): boolean {
  return node.opType === "QGemm" && (node.inputs[7] ?? "") === "";
}
