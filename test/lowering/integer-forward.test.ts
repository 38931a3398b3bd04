import { describe, expect, test } from "vitest";
import { buildReference } from "../../src/export/reference-model.ts";
import { usesContribOps } from "../../src/ir/graph.ts";
import type { Model } from "../../src/ir/model.ts";
import { lowerIntegerForward, planIntegerForward } from "../../src/lowering/integer/integer-forward.ts";
import { dropUnused } from "../../src/passes/remove-unused.ts";
import { withSession } from "../../src/runtime/open-model.ts";
import type { SessionOptions } from "../../src/runtime/session.ts";
import { type Tensor, viewAs } from "../../src/tensor/tensor.ts";
import { caseModel, image, kernelCases } from "../support/kernel-cases.ts";
import { quantizeCase, randomDataset } from "../support/quantize-case.ts";
import { needsExactKernels, saturates } from "../support/saturation.ts";

/** ONNX Runtime's optimizer quantizes a float weight of ConvTranspose between quantizers by itself. */
const changedByRuntime = new Set(["ConvTranspose"]);

describe.skipIf(saturates)(needsExactKernels, () => {
  test.each(kernelCases)(
    "$name: the outputs of the integer forward are the deployed model's",
    async (entry) => {
      const { name, input = image, options = {} } = entry;
      const data = randomDataset({ x: input });
      const { prepared, plan, exported } = await quantizeCase(caseModel(entry), data, options);
      const reference = buildReference(prepared, plan, exported.state, exported.biases);
      const { inputs } = await data.read(Array.from({ length: 8 }, (_, index) => index));
      const run = (model: Model, settings: SessionOptions): Promise<number[]> =>
        withSession(model, { threads: 1, ...settings }, async (session) =>
          Array.from(viewAs((await session.run(inputs))["y"] as Tensor, "float32")),
        );
      const deployed = await run(
        exported.model,
        changedByRuntime.has(name) ? { optimization: "disabled" } : {},
      );
      for (const portable of [false, true]) {
        const forward = planIntegerForward(reference.graph, { portable });
        const graph = lowerIntegerForward(reference.graph, forward);
        expect(usesContribOps(graph) && portable).toBe(false);
        const opsets = new Map([...reference.opsets, ["com.microsoft", 1] as const]);
        const config = { "session.disable_quant_qdq": "1" };
        const found = await run(dropUnused({ ...reference, opsets, graph }), { config });
        // What is float in portable graphs alone may round to the neighbouring code.
        if (portable) expect(found).toHaveLength(deployed.length);
        else expect(found).toEqual(deployed);
      }
    },
  );
});
