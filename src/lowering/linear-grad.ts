import { intOf, intsOf } from "../ir/attributes.ts";
import { inputOf, type Lowering } from "./lowering.ts";
import { matMul } from "./matrices.ts";

/** a · b with transposed operands. */
export const lowerMatMulTransposed: Lowering = (b, node, options) => {
  const ranks = [intOf(node, "rankA", 2), intOf(node, "rankB", 2)] as const;
  return matMul(
    b,
    { value: inputOf(node, 0), rank: ranks[0], transposed: intOf(node, "transA", 0) === 1 },
    { value: inputOf(node, 1), rank: ranks[1], transposed: intOf(node, "transB", 0) === 1 },
    options,
  );
};

/**
 * dx = dy · wᵀ. Without contrib operators a stored [K, N] weight is transposed as codes and dequantized
 * afterwards (DequantizeLinear before a Transpose is slow in ONNX Runtime).
 */
export const lowerLinearDataGrad: Lowering = (b, node, options) => {
  const [dy, weight] = [inputOf(node, 0), inputOf(node, 1)];
  const rank = (intsOf(node, "y_shape") ?? []).length;
  if (intOf(node, "transposed", 0) === 1) return b.op("MatMul", [dy, weight]);
  const [codes, scale] = [node.inputs[2], node.inputs[3]];
  if (!options.portable || codes === undefined || scale === undefined) {
    return matMul(b, { value: dy, rank }, { value: weight, rank: 2, transposed: true }, options);
  }
  const [, columns = 1] = intsOf(node, "w_shape") ?? [];
  const values = b.cast(b.transpose(codes, [1, 0]), "float32");
  return b.op("MatMul", [dy, b.mul(values, b.reshape(scale, [columns, 1]))]);
};

/** dw[rows] = dy[:, rows]ᵀ · x; without rows, of all. */
export const lowerLinearWeightGrad: Lowering = (b, node) => {
  const [x, dy, rows] = [inputOf(node, 0), inputOf(node, 1), node.inputs[2]];
  const picked = rows === undefined ? dy : b.op("Gather", [dy, rows], { axis: 1 });
  return b.op("Gemm", [picked, x], { transA: 1 });
};
