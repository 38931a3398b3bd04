import { describe, expect, test } from "vitest";
import { auditModel } from "../../src/audit/audit-model.ts";
import { graphAttribute } from "../../src/ir/attributes.ts";
import { Emitter } from "../../src/ir/emit.ts";
import { createGraph, createValue } from "../../src/ir/graph.ts";
import type { Dim, Graph } from "../../src/ir/model.ts";
import type { DataType } from "../../src/tensor/data-type.ts";
import { ortCpu } from "../../src/quantization/targets/ort-cpu.ts";
import { ints, tensorOf } from "../../src/tensor/tensor.ts";
import { buildModel } from "../support/build-model.ts";
import { emitPair, emitWeight } from "../support/qdq-model.ts";

/** A body with these inputs; `build` returns its outputs. */
function body(
  outer: Emitter,
  inputs: readonly (readonly [name: string, dtype: DataType, shape?: Dim[]])[],
  build: (emit: Emitter) => string[],
): Graph {
  const graph = createGraph("body");
  graph.inputs = inputs.map(([name, dtype, shape]) => createValue(name, dtype, shape));
  graph.outputs = build(new Emitter(graph, outer)).map((name) => ({ name, type: undefined }));
  return graph;
}

/** A product between quantizers; its constants belong to the graph around the body. */
const product = (emit: Emitter, x: string): string =>
  emitPair(emit, emit.op("MatMul", [emitPair(emit, x), emitWeight(emit, [4, 4], { axis: 1 })]));

const holders: Readonly<Record<string, (emit: Emitter) => void>> = {
  If: (emit) => {
    const branch = (op: "quantized" | "float"): Graph =>
      body(emit, [], (inner) => [
        op === "quantized" ? product(inner, "x") : inner.op("MatMul", ["x", "w"], {}, { name: "floats" }),
      ]);
    const attributes = {
      then_branch: graphAttribute(branch("quantized")),
      else_branch: graphAttribute(branch("float")),
    };
    emit.op("If", ["condition"], attributes, { outputs: ["y"] });
  },
  Loop: (emit) => {
    const inputs = [
      ["trip", "int64", []],
      ["go", "bool", []],
      ["state", "float32"],
    ] as const;
    const loop = body(emit, inputs as never, (inner) => [
      inner.op("Identity", ["go"]),
      inner.op("MatMul", [product(inner, "state"), "w"], {}, { name: "floats" }),
    ]);
    const trips = emit.constant(ints([2], []));
    emit.op("Loop", [trips, "condition", "x"], { body: graphAttribute(loop) }, { outputs: ["y"] });
  },
  Scan: (emit) => {
    const inputs = [
      ["state", "float32"],
      ["slice", "float32"],
    ] as const;
    const scan = body(emit, inputs, (inner) => [
      inner.op("Identity", ["state"]),
      inner.op("MatMul", [product(inner, "slice"), "w"], {}, { name: "floats" }),
    ]);
    const attributes = { body: graphAttribute(scan), num_scan_inputs: 1 };
    emit.node("Scan", ["x", "sequence"], { attributes, outputs: ["last", "y"] });
  },
};

describe("bodies of nodes", () => {
  test.each(Object.entries(holders))("of %s are audited with the rest", async (op, build) => {
    const model = buildModel({
      inputs: { x: [3, 4], sequence: [5, 3, 4], condition: ["bool"] },
      outputs: ["y"],
      build: (emit) => {
        emit.graph.initializers.set("w", tensorOf("float32", [4, 4], new Float32Array(16).fill(0.1)));
        build(emit);
      },
    });
    const audit = await auditModel(model, { target: ortCpu });
    expect(audit.kernels["QLinearMatMul"]).toBe(1);
    // Of each product, 3 x 4 sums of four.
    expect([audit.integerMacs, audit.totalMacs]).toEqual([48, 96]);
    const float = audit.floatNodes.find(({ node }) => node === "floats");
    expect(float?.macs).toBe(48);
    expect(float?.reason).toMatch(/nothing that it reads is quantized|weight "w" is float/);
    expect(audit.formats).toEqual(["QDQ"]);
    expect(audit.notes.join()).toContain(`(${op}) is counted as one trip of each body`);
  });

  test("an If of constant condition is the branch that is taken", async () => {
    const model = buildModel({
      inputs: { x: [3, 4] },
      outputs: ["y"],
      build: (emit) => {
        emit.graph.initializers.set("w", tensorOf("float32", [4, 4], new Float32Array(16).fill(0.1)));
        emit.graph.initializers.set("condition", tensorOf("bool", [], Uint8Array.of(1)));
        holders["If"]?.(emit);
      },
    });
    const audit = await auditModel(model, { target: ortCpu });
    expect([audit.integerMacs, audit.totalMacs, audit.notes]).toEqual([48, 48, []]);
  });
});
