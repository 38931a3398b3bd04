import { expect, test } from "vitest";
import type { Emitter } from "../../src/ir/emit.ts";
import type { Model } from "../../src/ir/model.ts";
import { prepareModel } from "../../src/passes/prepare.ts";
import { ints, scalar } from "../../src/tensor/tensor.ts";
import { buildModel } from "../support/build-model.ts";
import { expectSameOutputs } from "../support/pass-case.ts";
import { randomTensor } from "../support/random-tensor.ts";

const [tokens, width] = [5, 8];

interface Variant {
  opset?: number;
  /** Dimensions of scale and bias. */
  dims?: readonly number[];
  axes?: readonly number[];
  keepdims?: number;
  write: (parts: Parts) => string;
  /** What is left of the graph. */
  expected?: readonly string[];
}

interface Parts {
  op: (opType: string, ...inputs: string[]) => string;
  mean: (value: string) => string;
  number: (value: number) => string;
  x: string;
  scale: string;
  bias: string;
  /** x - mean x, computed anew by each call. */
  centred: () => string;
  leak: (value: string) => void;
}

/** Words between two products, normalised as the variant writes it. */
function layer({ opset = 13, dims = [width], axes = [-1], keepdims = 1, write }: Variant): Model {
  const leaked: string[] = [];
  const model = buildModel({
    opset,
    inputs: { input: ["n", tokens, 4] },
    outputs: ["y"],
    build(emit: Emitter) {
      const op = (opType: string, ...inputs: string[]): string => emit.op(opType, inputs);
      const mean = (value: string): string =>
        opset < 18
          ? emit.op("ReduceMean", [value], { axes, keepdims })
          : emit.op("ReduceMean", [value, emit.constant(ints([...axes]))], { keepdims });
      const x = op("MatMul", "input", emit.constant(randomTensor([4, width], 1, -2, 2), "w"));
      const average = mean(x);
      const normalized = write({
        op,
        mean,
        x,
        centred: () => op("Sub", x, average),
        number: (value) => emit.constant(scalar(value)),
        scale: emit.constant(randomTensor([...dims], 2, 0.5, 2), "scale"),
        bias: emit.constant(randomTensor([...dims], 3), "bias"),
        leak: (value) => leaked.push(value),
      });
      const last = emit.constant(randomTensor([width, 3], 4), "v");
      emit.op("MatMul", [normalized, last], {}, { outputs: ["y"] });
    },
  });
  for (const name of leaked) model.graph.outputs.push({ name, type: undefined });
  return model;
}

const variance = ({ op, mean, number }: Parts, square: string): string =>
  op("Add", mean(square), number(1e-5));

/** As PyTorch and PaddlePaddle write it. */
function divided(parts: Parts, first: string, second: string): string {
  const { op, number, scale, bias } = parts;
  const root = op("Sqrt", variance(parts, op("Pow", second, number(2))));
  return op("Add", op("Mul", op("Div", first, root), scale), bias);
}

/** 1/std, from the square by itself. */
function inverse(parts: Parts, centred: string): string {
  return parts.op("Reciprocal", parts.op("Sqrt", variance(parts, parts.op("Mul", centred, centred))));
}

const layers = ["MatMul", "LayerNormalization", "MatMul"];
const variants: Record<string, Variant> = {
  "divided by the root": {
    write(parts) {
      const centred = parts.centred();
      return divided(parts, centred, centred);
    },
  },
  "centred twice": { write: (parts) => divided(parts, parts.centred(), parts.centred()) },
  "axes as an input": { opset: 18, write: (parts) => divided(parts, parts.centred(), parts.centred()) },
  "scale and bias with ones in front": {
    dims: [1, 1, width],
    write: (parts) => divided(parts, parts.centred(), parts.centred()),
  },
  "over two axes": {
    axes: [1, -1],
    dims: [tokens, width],
    write: (parts) => divided(parts, parts.centred(), parts.centred()),
  },
  "times the inverse and its scale, as tf2onnx writes Keras": {
    write(parts) {
      const { op, scale, bias, x } = parts;
      const mean = parts.mean(x);
      const factor = op("Mul", inverse(parts, op("Sub", x, mean)), scale);
      return op("Add", op("Mul", x, factor), op("Sub", bias, op("Mul", mean, factor)));
    },
  },
  "centred times the inverse and its scale": {
    write(parts) {
      const centred = parts.centred();
      const factor = parts.op("Mul", parts.scale, inverse(parts, centred));
      return parts.op("Add", parts.bias, parts.op("Mul", factor, centred));
    },
  },
  "a power of minus a half, without scale and bias": {
    write(parts) {
      const centred = parts.centred();
      const square = parts.op("Mul", centred, centred);
      return parts.op("Mul", centred, parts.op("Pow", variance(parts, square), parts.number(-0.5)));
    },
  },
  "a scale that is no parameter": {
    dims: [tokens, 1],
    expected: ["MatMul", "LayerNormalization", "Mul", "Add", "MatMul"],
    write: (parts) => divided(parts, parts.centred(), parts.centred()),
  },
};

const operators = ({ graph }: Model): string[] => graph.nodes.map(({ opType }) => opType);

test.each(Object.keys(variants))("%s becomes one LayerNormalization", async (name) => {
  const variant = variants[name] as Variant;
  const source = layer(variant);
  const prepared = await prepareModel(source);
  expect(operators(prepared)).toEqual(variant.expected ?? layers);
  expect(prepared.opsets.get("")).toBe(Math.max(17, variant.opset ?? 13));
  await expectSameOutputs(source, prepared, { tolerance: 1e-5, batch: 3 });
});

const others: Record<string, Variant> = {
  "axes that are not the last": {
    axes: [1],
    dims: [width],
    write: (parts) => divided(parts, parts.centred(), parts.centred()),
  },
  "a root that is read elsewhere": {
    write(parts) {
      const { op, number, scale } = parts;
      const centred = parts.centred();
      const root = op("Sqrt", variance(parts, op("Pow", centred, number(2))));
      parts.leak(root);
      return op("Mul", op("Div", centred, root), scale);
    },
  },
  "the mean of another value": {
    write(parts) {
      const { op, mean, x } = parts;
      const centred = op("Sub", x, mean(op("Relu", x)));
      return divided(parts, centred, centred);
    },
  },
  "a root mean square": {
    write(parts) {
      const { op, x, scale } = parts;
      return op("Mul", op("Div", x, op("Sqrt", variance(parts, op("Mul", x, x)))), scale);
    },
  },
};

test.each(Object.keys(others))("%s stays as it is", async (name) => {
  const source = layer(others[name] as Variant);
  const prepared = await prepareModel(source);
  expect(operators(prepared)).not.toContain("LayerNormalization");
  expect(prepared.opsets.get("")).toBe(13);
  await expectSameOutputs(source, prepared, { tolerance: 1e-5, batch: 3 });
});
