import { expect, test } from "vitest";
import { float } from "../../src/ir/attributes.ts";
import type { Model } from "../../src/ir/model.ts";
import { prepareModel } from "../../src/passes/prepare.ts";
import { scalar } from "../../src/tensor/tensor.ts";
import { buildModel } from "../support/build-model.ts";
import { expectSameOutputs } from "../support/pass-case.ts";
import { randomTensor } from "../support/random-tensor.ts";

interface Parts {
  op: (opType: string, ...inputs: string[]) => string;
  number: (value: number) => string;
  sigmoid: (slope: number) => string;
  x: string;
}

/** A layer, and its outputs through what is written. */
const layer = (write: (parts: Parts) => string): Model =>
  buildModel({
    opset: 13,
    inputs: { input: ["n", 4] },
    outputs: ["y"],
    build(emit) {
      const op = (opType: string, ...inputs: string[]): string => emit.op(opType, inputs);
      const x = op("MatMul", "input", emit.constant(randomTensor([4, 24], 1, -6, 6), "w"));
      const sigmoid = (slope: number): string => emit.op("HardSigmoid", [x], { alpha: float(slope) });
      const found = write({ op, x, sigmoid, number: (value) => emit.constant(scalar(value)) });
      emit.op("MatMul", [found, emit.constant(randomTensor([24, 3], 2), "v")], {}, { outputs: ["y"] });
    },
  });

const clip = ({ op, number, x }: Parts): string => op("Clip", op("Add", x, number(3)), number(0), number(6));

const variants: Record<string, (parts: Parts) => string> = {
  "x * clip / 6": (p) => p.op("Div", p.op("Mul", p.x, clip(p)), p.number(6)),
  "x * (clip * 1/6)": (p) => p.op("Mul", p.x, p.op("Mul", clip(p), p.number(1 / 6))),
  "(x / 6) * clip": (p) => p.op("Mul", p.op("Div", p.x, p.number(6)), clip(p)),
  "min of a relu": (p) => {
    const relu = p.op("Relu", p.op("Add", p.number(3), p.x));
    return p.op("Mul", p.x, p.op("Div", p.op("Min", relu, p.number(6)), p.number(6)));
  },
  "relu of a min": (p) => {
    const min = p.op("Min", p.number(6), p.op("Add", p.number(3), p.x));
    return p.op("Div", p.op("Mul", p.x, p.op("Relu", min)), p.number(6));
  },
  "a sigmoid's": (p) => p.op("Mul", p.x, p.sigmoid(1 / 6)),
};

const operators = ({ graph }: Model): string[] => graph.nodes.map(({ opType }) => opType);

test.each(Object.keys(variants))("%s becomes one HardSwish", async (name) => {
  const source = layer(variants[name] as (parts: Parts) => string);
  const prepared = await prepareModel(source);
  expect(operators(prepared)).toEqual(["MatMul", "HardSwish", "MatMul"]);
  expect(prepared.opsets.get("")).toBe(14);
  await expectSameOutputs(source, prepared, { tolerance: 1e-5, batch: 9 });
});

const others: Record<string, (parts: Parts) => string> = {
  "another bound": (p) => {
    const bounded = p.op("Clip", p.op("Add", p.x, p.number(3)), p.number(0), p.number(5));
    return p.op("Div", p.op("Mul", p.x, bounded), p.number(6));
  },
  "another slope": (p) => p.op("Mul", p.x, p.sigmoid(0.2)),
  "another factor": (p) => p.op("Div", p.op("Mul", p.op("Neg", p.x), clip(p)), p.number(6)),
  "no factor": (p) => p.op("Div", clip(p), p.number(6)),
};

test.each(Object.keys(others))("%s stays as it is", async (name) => {
  const source = layer(others[name] as (parts: Parts) => string);
  const prepared = await prepareModel(source);
  expect(operators(prepared)).not.toContain("HardSwish");
  expect(prepared.opsets.get("")).toBe(13);
  await expectSameOutputs(source, prepared, { tolerance: 1e-5, batch: 9 });
});
