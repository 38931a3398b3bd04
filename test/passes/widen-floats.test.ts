import { describe, expect, test } from "vitest";
import { restoreTypes } from "../../src/export/restore-types.ts";
import { prepareModel } from "../../src/passes/prepare.ts";
import type { Model } from "../../src/ir/model.ts";
import { dtypeOf } from "../../src/ir/value-types.ts";
import { withSession } from "../../src/runtime/open-model.ts";
import { convertFloats, float16Bits } from "../../src/tensor/convert-floats.ts";
import { type DataType, dataTypes } from "../../src/tensor/data-type.ts";
import { readNumbers } from "../../src/tensor/read-numbers.ts";
import { decodeSmallFloat } from "../../src/tensor/small-float.ts";
import { scalar, tensorOf } from "../../src/tensor/tensor.ts";
import { buildModel } from "../support/build-model.ts";
import { randomTensor } from "../support/random-tensor.ts";

describe("half-precision numbers", () => {
  test("every pattern comes back from the number that it stands for", () => {
    const wrong = Array.from({ length: 2 ** 16 }, (_, bits) => bits).filter((bits) => {
      const value = decodeSmallFloat("float16", bits) as number;
      return !Number.isNaN(value) && float16Bits(value) !== bits;
    });
    expect(wrong).toEqual([]);
    expect(float16Bits(NaN)).toBe(0x7e00);
  });

  test("numbers between two of them go to the nearer, ties to the even one", () => {
    const wrong = Array.from({ length: 0x7bff }, (_, bits) => bits).filter((bits) => {
      const [low, high] = [bits, bits + 1].map((each) => decodeSmallFloat("float16", each) as number);
      const gap = (high as number) - (low as number);
      const found = [0.25, 0.5, 0.75].map((part) => float16Bits((low as number) + part * gap));
      return found.join() !== [bits, bits % 2 === 0 ? bits : bits + 1, bits + 1].join();
    });
    expect(wrong).toEqual([]);
    expect([65519, 65520, -1e6].map(float16Bits)).toEqual([0x7bff, 0x7c00, 0xfc00]);
  });

  test("finite numbers stay finite in float32", () => {
    const lowest = tensorOf("float64", [3], Float64Array.of(-Number.MAX_VALUE, Infinity, 1e-3));
    expect([...readNumbers(convertFloats(lowest, "float32"))]).toEqual([
      -(2 ** 128 - 2 ** 104),
      Infinity,
      Math.fround(1e-3),
    ]);
  });
});

/** x -> Cast to `inner` -> MatMul -> Cast to `outer`; x and y of type `outer`. */
function network(outer: DataType, inner: DataType): Model {
  const weight = randomTensor([6, 4], 1);
  const model = buildModel({
    inputs: { x: ["float32", "N", 6] },
    outputs: ["y"],
    build(emit) {
      const cast = (value: string, to: DataType): string =>
        emit.op("Cast", [value], { to: dataTypes[to].code });
      const held =
        inner === "bfloat16"
          ? cast(emit.constant(weight, "w"), inner)
          : emit.constant(convertFloats(weight, inner), "w");
      const product = emit.op("MatMul", [cast("x", inner), held]);
      const half = cast(emit.constant(scalar(0.5)), inner);
      emit.op("Cast", [emit.op("Mul", [product, half])], { to: dataTypes[outer].code }, { outputs: ["y"] });
    },
  });
  for (const port of [...model.graph.inputs, ...model.graph.outputs])
    port.type = { kind: "tensor", dtype: outer, shape: port.name === "x" ? ["N", 6] : ["N", 4] };
  return model;
}

describe("models in other floats than float32", () => {
  test.each([
    ["float16", "float16"],
    ["float32", "float16"],
    ["float64", "float64"],
    ["float32", "bfloat16"],
    ["float16", "float32"],
  ] as const)(
    "ports in %s, computation in %s: float32 within, the same ports in the end",
    async (outer, inner) => {
      const source = network(outer, inner);
      const prepared = await prepareModel(source);
      const { graph } = prepared;
      const casts = graph.nodes.filter(({ opType }) => opType === "Cast");
      expect([casts.length, dtypeOf(graph, "x"), dtypeOf(graph, "y")]).toEqual([0, "float32", "float32"]);
      const restored = restoreTypes(prepared);
      expect(["x", "y"].map((name) => dtypeOf(restored.graph, name))).toEqual([outer, outer]);
      expect(
        [...restored.graph.inputs, ...restored.graph.outputs].flatMap(({ metadata }) => [
          ...(metadata ?? []),
        ]),
      ).toEqual([]);
      const x = randomTensor([5, 6], 2);
      const [wide, own] = await Promise.all(
        [prepared, restored].map((each) => withSession(each, {}, (session) => session.run({ x }))),
      );
      const [expected, found] = [wide, own].map((each) =>
        each?.["y"] === undefined ? [] : [...readNumbers(each["y"])],
      );
      expect(own?.["y"]?.dtype).toBe(outer);
      found?.forEach((value, i) =>
        expect(value).toBeCloseTo(expected?.[i] ?? NaN, outer === "float16" ? 2 : 5),
      );
    },
  );

  test("float64 of sizes alone stays", async () => {
    const model = buildModel({
      inputs: { x: ["N", 4] },
      outputs: ["y"],
      build(emit) {
        const size = emit.op("Cast", [emit.op("Shape", ["x"])], { to: dataTypes.float64.code });
        const total = emit.op("ReduceProd", [size], { keepdims: 0 });
        emit.op(
          "Mul",
          ["x", emit.op("Cast", [total], { to: dataTypes.float32.code })],
          {},
          { outputs: ["y"] },
        );
      },
    });
    const { graph } = await prepareModel(model);
    expect(graph.nodes.some((node) => node.outputs.some((name) => dtypeOf(graph, name) === "float64"))).toBe(
      true,
    );
  });

  test("bfloat16 ports are refused with a remedy", async () => {
    await expect(prepareModel(network("bfloat16", "bfloat16"))).rejects.toMatchObject({
      code: "unsupported/element-type",
      where: "x",
    });
  });
});
