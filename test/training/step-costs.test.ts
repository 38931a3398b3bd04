import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { reachableNodes } from "../../src/ir/graph.ts";
import { type MeasuredRuns, stepCosts } from "../../src/training/costs/step-costs.ts";
import { ints } from "../../src/tensor/tensor.ts";
import { writeArtifact } from "../../src/training/artifact.ts";
import { measureCosts } from "../../src/training/costs/measure.ts";
import { randomTensor } from "../support/random-tensor.ts";
import { tinyArtifact } from "./tiny-network.ts";

test("every kernel's time counts once", async () => {
  const { manifest, trainingModel } = await tinyArtifact({ forward: ["integer"] });
  const { graph } = trainingModel;
  const forward = new Set(reachableNodes(graph, ["loss"]).nodes);
  const backward = graph.nodes.filter((node) => !forward.has(node));
  const weight = manifest.weights.find(({ name }) => name === "point.weight");
  const rows = weight?.shape[weight.axis] as number;
  const own = new Set(reachableNodes(graph, [weight?.grad as string]).nodes.map(({ name }) => name));
  /** 2 ms for every node, and 1 ms more for each row in those that only the weight's gradient needs. */
  const runsWith = (count: number, share: number): MeasuredRuns => ({
    rows: new Map(
      manifest.weights.map(({ name, shape, axis }) => [name, Math.ceil(share * (shape[axis] as number))]),
    ),
    runs: [
      graph.nodes.map(({ name, opType }) => ({
        kernel: name,
        node: name,
        opType,
        provider: "cpu",
        ms: 2 + (/ConvWeightGrad/.test(name) && own.has(name) ? count : 0),
      })),
    ],
  });
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

test("measured on a run, every weight's gradient takes time, that of a depthwise convolution, too", async () => {
  const folder = await mkdtemp(join(tmpdir(), "efqat-costs-"));
  try {
    const artifact = await tinyArtifact();
    await writeArtifact(artifact, folder);
    const { inputs, targets, batch } = artifact.manifest;
    const data = Object.fromEntries(
      [...inputs, ...targets].map(({ name, type, shape }) => {
        const dims = shape.map((dim) => (typeof dim === "number" ? dim : batch));
        const count = dims.reduce((product, dim) => product * dim, 1);
        return [
          name,
          type === "int64" ? ints(new Array<number>(count).fill(1), dims) : randomTensor(dims, 1),
        ];
      }),
    );
    const costs = await measureCosts({ artifact: folder, data, provider: null, threads: 1, arena: true });
    const own = Object.values(costs.weights).map(({ fixed, perRow }) => fixed + perRow);
    expect(Object.keys(costs.weights)).toContain("depth.weight");
    for (const time of own) expect(time).toBeGreaterThan(0);
    expect(own.reduce((sum, time) => sum + time, 0)).toBeLessThan(costs.full);
  } finally {
    await rm(folder, { recursive: true });
  }
});
