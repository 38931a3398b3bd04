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
