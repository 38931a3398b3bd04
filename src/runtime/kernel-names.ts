/**
 * The name of the node that a kernel was made of, as far as its own tells. ONNX Runtime keeps names where it rewrites a
 * graph, with marks around them: "Conv_1_token_12", "fused Conv_1", "Conv_1_nchwc", "MatMul_1/MatMulAddFusion".
 */
export const originOf = (kernel: string): string =>
  withoutToken(kernel)
    .replace(/^fused /, "")
    .replace(/\/MatMulAddFusion.*$/, "")
    .replace(/_nchwc$/, "");

/** A kernel's name without the number that ONNX Runtime puts behind it where it changes a layout. */
export const withoutToken = (kernel: string): string => kernel.replace(/_token_\d+$/, "");
