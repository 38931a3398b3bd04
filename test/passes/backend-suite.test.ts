import { expect, test } from "vitest";
import { UserError } from "../../src/errors.ts";
import type { Model } from "../../src/ir/model.ts";
import { printModel } from "../../src/ir/print.ts";
import { verifyModel } from "../../src/ir/verify.ts";
import { decodeModel } from "../../src/onnx/index.ts";
import { prepareModel } from "../../src/passes/prepare.ts";
import { withSession } from "../../src/runtime/open-model.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { readContainer } from "../support/model-container.ts";
import { expectSameOutputs } from "../support/pass-case.ts";
import { randomTensor } from "../support/random-tensor.ts";

/** One model in this many is prepared and run here; the selection is the same every time. */
const stride = 12;

/** Positive feeds of float models whose shapes are static; undefined where an input is something else. */
function feedsOf({ graph }: Model): Record<string, Tensor> | undefined {
  const feeds: Record<string, Tensor> = {};
  for (const [index, { name, type }] of graph.inputs.entries()) {
    if (graph.initializers.has(name)) continue;
    if (type?.kind !== "tensor" || type.dtype !== "float32") return undefined;
    if (type.shape?.every((dim) => typeof dim === "number") !== true) return undefined;
    feeds[name] = randomTensor(type.shape, index + 1, 0.05);
  }
  return feeds;
}

/** Whether ONNX Runtime runs the model as it is. */
async function runs(model: Model, feeds: Record<string, Tensor>): Promise<boolean> {
  return withSession(model, { optimization: "disabled", threads: 1 }, (session) => session.run(feeds)).then(
    () => true,
    () => false,
  );
}

test("models of several nodes compute the same after preparation, and a second preparation changes nothing", async () => {
  const suite = await readContainer(new URL("../../fixtures/backend-suite/models.bin.gz", import.meta.url));
  const float = [...suite]
    .map(([name, bytes]) => ({ name, model: decodeModel(bytes) }))
    .filter(({ model }) => model.graph.nodes.length > 1 && (model.opsets.get("") ?? 0) >= 7)
    .filter((_, index) => index % stride === 0);
  let compared = 0;
  for (const { name, model } of float) {
    const feeds = feedsOf(model);
    if (feeds === undefined || !(await runs(model, feeds))) continue;
    const prepared = await prepareModel(model).catch((error: unknown) => error);
    if (prepared instanceof Error) {
      expect(prepared, name).toBeInstanceOf(UserError);
      expect((prepared as UserError).code, name).toMatch(/^(unsupported|model)\//);
      continue;
    }
    verifyModel(prepared as Model);
    await expectSameOutputs(model, prepared as Model, { tolerance: 1e-5, feeds });
    expect(printModel(await prepareModel(prepared as Model)), name).toBe(printModel(prepared as Model));
    compared++;
  }
  expect(compared).toBeGreaterThan(20);
});
