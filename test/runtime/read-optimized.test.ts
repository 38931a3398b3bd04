import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { saveModel } from "../../src/onnx/index.ts";
import { readOptimized } from "../../src/runtime/read-optimized.ts";
import { tinyModel } from "../training/tiny-network.ts";

test("the optimized graph of a model with external data finds them where its source has them", async () => {
  const folder = await mkdtemp(join(tmpdir(), "efqat-optimized-"));
  const file = join(folder, "m.onnx");
  await saveModel(tinyModel(), file, { externalData: "always", threshold: 1 });
  const { graph } = await readOptimized(file);
  expect(graph.nodes.map(({ opType }) => opType)).toContain("GlobalAveragePool");
  const [weight] = [...graph.initializers.values()];
  expect(weight?.bytes.byteLength).toBeGreaterThan(0);
  await rm(folder, { recursive: true });
});
