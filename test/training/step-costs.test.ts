import { expect, test } from "vitest";
import { reachableNodes } from "../../src/ir/graph.ts";
import type { Node } from "../../src/ir/model.ts";
import { type MeasuredRuns, stepCosts } from "../../src/training/costs/step-costs.ts";
import { tinyArtifact } from "./tiny-network.ts";

test("every kernel's time counts once, also under the name that ONNX Runtime gives it", async () => {
  const { manifest, trainingModel } = await tinyArtifact({ forward: "integer" });
  const { graph } = trainingModel;
  const forward = new Set(reachableNodes(graph, ["loss"]).nodes);
  const backward = graph.nodes.filter((node) => !forward.has(node));
  const weight = manifest.weights.find(({ name }) => name === "point.weight");
  const rows = weight?.shape[weight.axis] as number;
  const own = new Set(reachableNodes(graph, [weight?.grad as string]).nodes.map(({ name }) => name));
  const marked = ({ name, opType }: Node, at: number): string =>
    opType === "QLinearConv" ? `${name}_token_${at}` : name;
  /** 2 ms for every node, and 1 ms more for each row in those that only the weight's gradient needs. */
  const runsWith = (count: number, share: number): MeasuredRuns => ({
    rows: new Map(
      manifest.weights.map(({ name, shape, axis }) => [name, Math.ceil(share * (shape[axis] as number))]),
    ),
    runs: [
      graph.nodes.map((node, at) => ({
        ...{ node: marked(node, at), opType: node.opType },
        ms: 2 + (/ConvWeightGrad/.test(node.name) && own.has(node.name) ? count : 0),
      })),
    ],
  });
  expect(graph.nodes.some(({ opType }) => opType === "QLinearConv")).toBe(true);
  const costs = stepCosts(graph, manifest, runsWith(rows, 1), runsWith(1, 1 / rows));
  expect(costs.forward).toBe(2 * forward.size);
  const perRow = backward.filter(({ name }) => /ConvWeightGrad/.test(name) && own.has(name)).length;
  expect(perRow).toBeGreaterThan(0);
  expect(costs.full).toBe(2 * backward.length + rows * perRow);
  const {
    perRow: measured,
    fixed,
    reach,
  } = costs.weights["point.weight"] ?? { perRow: 0, fixed: 0, reach: 0 };
  expect(measured).toBeCloseTo(perRow, 6);
  expect(fixed).toBeGreaterThanOrEqual(2 * perRow);
  expect(reach).toBeLessThan(2 * backward.length);
});
