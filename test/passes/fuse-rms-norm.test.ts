import { expect, test } from "vitest";
import type { Model } from "../../src/ir/model.ts";
import { prepareModel } from "../../src/passes/prepare.ts";
import { ints, scalar } from "../../src/tensor/tensor.ts";
import { buildModel } from "../support/build-model.ts";
import { expectSameOutputs } from "../support/pass-case.ts";
import { randomTensor } from "../support/random-tensor.ts";

const [tokens, width] = [5, 8];

interface Parts {
  op: (opType: string, ...inputs: string[]) => string;
  number: (value: number) => string;
  x: string;
  /** mean of a value over the last axis */
  mean: (value: string) => string;
  scale: string;
}

function layer(write: (parts: Parts) => string, opset = 23, axis = -1): Model {
  return buildModel({
    opset,
    inputs: { input: ["n", tokens, 4] },
    outputs: ["y"],
    build(emit) {
      const op = (opType: string, ...inputs: string[]): string => emit.op(opType, inputs);
      const normalized = write({
        op,
        number: (value) => emit.constant(scalar(value)),
        x: op("MatMul", "input", emit.constant(randomTensor([4, width], 1, -2, 2), "w")),
        mean: (value) => op("ReduceMean", value, emit.constant(ints([axis]))),
        scale: emit.constant(randomTensor([width], 2, 0.5, 2), "scale"),
      });
      const last = emit.constant(randomTensor([width, 3], 4), "v");
      emit.op("MatMul", [normalized, last], {}, { outputs: ["y"] });
    },
  });
}

const power = ({ op, mean, number }: Parts, square: string): string => op("Add", mean(square), number(1e-6));

const variants: Record<string, (parts: Parts) => string> = {
  "of Llama and T5 by the TorchScript-based exporter": (p) => {
    const root = p.op("Sqrt", power(p, p.op("Pow", p.x, p.number(2))));
    return p.op("Mul", p.scale, p.op("Mul", p.x, p.op("Div", p.number(1), root)));
  },
  "by the torch.export-based one": (p) => {
    const root = p.op("Sqrt", power(p, p.op("Pow", p.x, p.number(2))));
    return p.op("Mul", p.scale, p.op("Mul", p.x, p.op("Reciprocal", root)));
  },
  "x over the root": (p) =>
    p.op("Mul", p.op("Div", p.x, p.op("Sqrt", power(p, p.op("Mul", p.x, p.x)))), p.scale),
  "by a power": (p) => p.op("Mul", p.x, p.op("Pow", power(p, p.op("Mul", p.x, p.x)), p.number(-0.5))),
};

test.each(Object.keys(variants))("%s becomes one RMSNormalization", async (name) => {
  const source = layer(variants[name] as (parts: Parts) => string);
  const prepared = await prepareModel(source);
  const types = prepared.graph.nodes.map(({ opType }) => opType);
  expect(types).toEqual(["MatMul", "RMSNormalization", "MatMul"]);
  await expectSameOutputs(source, prepared, { tolerance: 1e-4 });
});

test("below opset 23, over another axis, or of two values it stays in its nodes", async () => {
  const usual = variants["by the torch.export-based one"] as (parts: Parts) => string;
  const others = [
    layer(usual, 18),
    layer(usual, 23, 1),
    layer((p) => p.op("Div", p.x, p.op("Sqrt", power(p, p.op("Mul", p.x, p.op("Abs", p.x)))))),
    layer((p) => p.op("Div", p.op("Abs", p.x), p.op("Sqrt", power(p, p.op("Mul", p.x, p.x))))),
  ];
  for (const model of others)
    expect((await prepareModel(model)).graph.nodes.map(({ opType }) => opType)).toContain("Sqrt");
});
