import { expect, test } from "vitest";
import type { Dim } from "../../src/ir/model.ts";
import { createGraph, createNode, createValue } from "../../src/ir/graph.ts";
import { countMacs } from "../../src/ops/count-macs.ts";

interface Case {
  op: string;
  of: string;
  x: Dim[];
  w: Dim[];
  y: Dim[] | undefined;
  macs: number;
  domain?: string;
}

test.each<Case>([
  { op: "Conv", of: "an image", x: [1, 3, 8, 8], w: [16, 3, 3, 3], y: [1, 16, 8, 8], macs: 16 * 64 * 27 },
  { op: "Conv", of: "groups", x: [1, 8, 4, 4], w: [8, 1, 3, 3], y: [1, 8, 4, 4], macs: 8 * 16 * 9 },
  {
    op: "Conv",
    of: "an open batch",
    x: ["N", 3, 8, 8],
    w: [4, 3, 1, 1],
    y: ["N", 4, 8, 8],
    macs: 4 * 64 * 3,
  },
  {
    op: "ConvTranspose",
    of: "an image",
    x: [1, 8, 4, 4],
    w: [8, 2, 3, 3],
    y: [1, 2, 9, 9],
    macs: 8 * 16 * 18,
  },
  { op: "Gemm", of: "matrices", x: [5, 7], w: [7, 3], y: [5, 3], macs: 5 * 7 * 3 },
  {
    op: "MatMul",
    of: "a matrix for every sample",
    x: [6, 5, 7],
    w: [7, 3],
    y: [6, 5, 3],
    macs: 6 * 5 * 7 * 3,
  },
  { op: "MatMul", of: "two 3-D operands", x: [6, 5, 7], w: [6, 7, 3], y: [6, 5, 3], macs: 6 * 5 * 7 * 3 },
  { op: "MatMul", of: "a vector", x: [5, 7], w: [7], y: [5], macs: 5 * 7 },
  { op: "MatMul", of: "an unknown result", x: [5, 7], w: [7, 3], y: undefined, macs: 0 },
  { op: "Add", of: "equal shapes", x: [5, 7], w: [5, 7], y: [5, 7], macs: 0 },
  { op: "Conv", of: "another domain", x: [1, 1, 1], w: [1, 1, 1], y: [1, 1, 1], macs: 0, domain: "own" },
])("$op of $of: $macs products", ({ op, x, w, y, macs, domain }) => {
  const graph = createGraph("test");
  graph.inputs = [createValue("x", "float32", x), createValue("w", "float32", w)];
  graph.outputs = [createValue("y", "float32", y)];
  const node = createNode({ name: "node", opType: op, inputs: ["x", "w"], outputs: ["y"], domain });
  expect(countMacs(graph, node)).toBe(macs);
});

const products = (
  opType: string,
  shapes: Readonly<Record<string, Dim[]>>,
  y: Dim[],
  attributes: Record<string, number> = {},
): number => {
  const graph = createGraph("test");
  graph.inputs = Object.entries(shapes).map(([name, shape]) => createValue(name, "float32", shape));
  graph.outputs = [createValue("y", "float32", y)];
  const domain = opType === "LSTM" ? "" : "com.microsoft";
  const inputs = Object.keys(shapes);
  return countMacs(graph, createNode({ name: "node", opType, inputs, outputs: ["y"], domain, attributes }));
};

test("a recurrent layer multiplies both weights at every step, in every direction", () => {
  const shapes = { x: [7, "N", 5], w: [2, 12, 5], r: [2, 12, 3] };
  expect(products("LSTM", shapes, [7, 2, "N", 3])).toBe(7 * (2 * 12 * 5 + 2 * 12 * 3));
});

test("attention counts scores, values and, where it has one, the projection", () => {
  expect(products("MultiHeadAttention", { q: [1, 6, 8], k: [1, 9, 8] }, [1, 6, 8])).toBe(2 * 6 * 9 * 8);
  const projected = products("Attention", { x: [1, 6, 10], w: [10, 24] }, [1, 6, 8]);
  expect(projected).toBe(6 * 10 * 24 + 2 * 6 * 6 * 8);
});

test("a packed weight has its inner size as an attribute", () => {
  expect(products("MatMulNBits", { x: [4, 64], w: [5, 2, 16] }, [4, 5], { K: 64, N: 5 })).toBe(4 * 5 * 64);
});
