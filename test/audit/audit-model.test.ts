import { describe, expect, test } from "vitest";
import { auditModel } from "../../src/audit/audit-model.ts";
import { ortCpu } from "../../src/quantization/targets/ort-cpu.ts";
import { buildModel } from "../support/build-model.ts";
import { type QdqCase, qdqCases } from "./qdq-cases.ts";

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

describe("what ONNX Runtime makes of patterns of quantizers, and why", () => {
  test.each(qdqCases)("$name", async (entry) => {
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
