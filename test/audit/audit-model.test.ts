import { describe, expect, test } from "vitest";
import { auditModel } from "../../src/audit/audit-model.ts";
import { ortCpu } from "../../src/quantization/targets/ort-cpu.ts";
import { buildModel } from "../support/build-model.ts";
import { convolutions } from "./cases/convolutions.ts";
import { elementwise } from "./cases/elementwise.ts";
import { faults } from "./cases/faults.ts";
import { islands } from "./cases/islands.ts";
import { movements } from "./cases/movements.ts";
import { products } from "./cases/products.ts";
import type { QdqCase } from "./cases/qdq-case.ts";
import { saturating } from "./cases/saturating.ts";

/** The model of a case. */
function modelOf({ input = ["N", 4, 8, 8], opset = 17, build }: QdqCase) {
  return buildModel({
    inputs: { x: input },
    outputs: [],
    opset,
    build: (emit) => {
      emit.graph.outputs = [build(emit, "x")].flat().map((name) => ({ name, type: undefined }));
    },
  });
}

const families = [...[convolutions, saturating, elementwise, movements], ...[islands, products, faults]];

describe("what ONNX Runtime makes of patterns of quantizers, and why", () => {
  test.each(families.flat())("$name", async (entry) => {
    const { kernels, float = [], idle = 0, fault } = entry;
    const audit = await auditModel(modelOf(entry), { target: ortCpu });
    expect(audit.kernels).toMatchObject(kernels);
    expect(audit.floatNodes.map(({ op }) => op).sort()).toEqual(float.map(([op]) => op).sort());
    for (const [op, ...words] of float) {
      const reasons = audit.floatNodes.filter((each) => each.op === op).map(({ reason }) => reason);
      const fitting = reasons.filter((reason) => words.every((word) => reason.includes(word)));
      expect(fitting, `${op}: ${reasons.join(" | ")}`).not.toEqual([]);
    }
    expect(audit.idleQuantizers.length, JSON.stringify(audit.idleQuantizers)).toBe(idle);
    const faults = audit.faults.map(({ reason }) => reason).join();
    if (fault === undefined) expect(faults).toBe("");
    else expect(faults).toContain(fault);
  });
});
