import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { saveModel } from "../../src/onnx/index.ts";
import { withSession } from "../../src/runtime/open-model.ts";
import { readOptimized } from "../../src/runtime/read-optimized.ts";
import { floats, viewAs } from "../../src/tensor/tensor.ts";
import { buildModel } from "../support/build-model.ts";
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

test("large weights reach the runtime in a file beside the graph, and come back as they were", async () => {
  const width = 6000;
  const model = buildModel({
    inputs: { x: ["N", width] },
    outputs: ["y"],
    build: (emit) => {
      emit.graph.initializers.set("w", floats(new Float32Array(width * width).fill(0.5), [width, width]));
      emit.op("Identity", [emit.op("MatMul", ["x", "w"])], {}, { outputs: ["y"] });
    },
  });
  const { graph } = await readOptimized(model, { optimization: "basic" });
  expect(graph.nodes.map(({ opType }) => opType)).toEqual(["MatMul"]);
  expect(graph.initializers.get("w")).toBe(model.graph.initializers.get("w"));
  const sums = await withSession(model, {}, (session) =>
    session.run({ x: floats(new Float32Array(width).fill(1), [1, width]) }),
  );
  expect(viewAs(sums["y"]!, "float32").every((sum) => sum === width / 2)).toBe(true);
});
