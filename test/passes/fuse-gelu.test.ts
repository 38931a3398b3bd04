import { expect, test } from "vitest";
import type { Emitter } from "../../src/ir/emit.ts";
import type { Model } from "../../src/ir/model.ts";
import { planQuantization } from "../../src/quantization/plan.ts";
import { prepareModel } from "../../src/passes/prepare.ts";
import { withSession } from "../../src/runtime/open-model.ts";
import { floats, scalar, type Tensor, viewAs } from "../../src/tensor/tensor.ts";
import { buildModel } from "../support/build-model.ts";
import { randomTensor } from "../support/random-tensor.ts";

type Mul = (a: string, b: string) => string;
type Order = (mul: Mul, parts: { x: string; half: string; raised: string }) => string;

/** A layer, and its outputs through x*(1 + erf(x/sqrt 2))/2 with the factors in some order. */
const layer = (order: Order, options: { divide?: boolean; root?: number; leak?: boolean } = {}): Model =>
  buildModel({
    inputs: { input: ["N", 4] },
    outputs: options.leak === true ? ["y", "erf"] : ["y"],
    build(emit: Emitter) {
      const constant = (value: number): string => emit.constant(scalar(value));
      const mul: Mul = (a, b) => emit.op("Mul", [a, b]);
      const x = emit.op("MatMul", ["input", emit.constant(randomTensor([4, 6], 1, -2, 2), "w")]);
      const root = options.root ?? Math.SQRT2;
      const scaled =
        options.divide === true ? emit.op("Div", [x, constant(root)]) : mul(constant(1 / root), x);
      const erf = emit.op("Erf", [scaled], {}, { outputs: ["erf"] });
      const raised = emit.op("Add", [erf, constant(1)]);
      const gelu = order(mul, { x, half: constant(0.5), raised });
      emit.op("MatMul", [gelu, emit.constant(randomTensor([6, 3], 2, -2, 2), "v")], {}, { outputs: ["y"] });
    },
  });

const operators = ({ graph }: Model): string[] => graph.nodes.map(({ opType }) => opType);

async function outputOf(model: Model): Promise<Float32Array> {
  const input = floats(
    Float32Array.from({ length: 40 }, (_, i) => 3 * Math.sin(i)),
    [10, 4],
  );
  const found = await withSession(model, { threads: 1 }, (session) => session.run({ input }));
  return viewAs(found["y"] as Tensor, "float32");
}

const orders: Record<string, Order> = {
  "(x * raised) * half": (mul, { x, half, raised }) => mul(mul(x, raised), half),
  "half * (raised * x)": (mul, { x, half, raised }) => mul(half, mul(raised, x)),
  "(x * half) * raised": (mul, { x, half, raised }) => mul(mul(x, half), raised),
  "x * (raised * half)": (mul, { x, half, raised }) => mul(x, mul(raised, half)),
};

test.each(Object.keys(orders))("%s becomes one Gelu", async (name) => {
  for (const divide of [true, false]) {
    const source = layer(orders[name] as Order, { divide });
    const prepared = await prepareModel(source);
    expect(operators(prepared)).toEqual(["MatMul", "Gelu", "MatMul"]);
    expect(prepared.opsets.get("")).toBe(20);
    const [expected, found] = [await outputOf(source), await outputOf(prepared)];
    found.forEach((value, i) => expect(value).toBeCloseTo(expected[i] as number, 4));
    expect(planQuantization(prepared, {}).activations.map(({ tensors }) => tensors.length)).toEqual([1, 1]);
  }
});

test("what only looks like it stays as it is", async () => {
  const usual = orders["(x * raised) * half"] as Order;
  const others = [
    layer(usual, { root: 1.5 }),
    layer(usual, { leak: true }),
    layer((mul, { raised, half }) => mul(mul(raised, raised), half)),
    layer((mul, { x, raised }) => mul(x, raised)),
  ];
  for (const model of others) {
    const prepared = await prepareModel(model);
    expect(operators(prepared)).toContain("Erf");
    expect(prepared.opsets.get("")).toBe(17);
  }
});

type Cubic = (parts: { x: string; op: (opType: string, ...inputs: (string | number)[]) => string }) => string;

const slope = Math.sqrt(2 / Math.PI);

/** A layer, and its outputs through x*(1 + tanh(p(x)))/2. */
const tanhLayer = (cubic: Cubic, opset = 17): Model =>
  buildModel({
    opset,
    inputs: { input: ["N", 4] },
    outputs: ["y"],
    build(emit: Emitter) {
      const op = (opType: string, ...inputs: (string | number)[]): string =>
        emit.op(
          opType,
          inputs.map((value) => (typeof value === "string" ? value : emit.constant(scalar(value)))),
        );
      const x = op("MatMul", "input", emit.constant(randomTensor([4, 6], 1, -2, 2), "w"));
      const raised = op("Add", op("Tanh", cubic({ x, op })), 1);
      const gelu = op("Mul", op("Mul", x, 0.5), raised);
      emit.op("MatMul", [gelu, emit.constant(randomTensor([6, 3], 2, -2, 2), "v")], {}, { outputs: ["y"] });
    },
  });

const cubics: Record<string, Cubic> = {
  "PyTorch's, x + 0.044715*x^3": ({ x, op }) =>
    op("Mul", op("Add", x, op("Mul", op("Pow", x, 3), 0.044715)), slope),
  "of products, x + 0.044715*(x*x*x)": ({ x, op }) =>
    op("Mul", slope, op("Add", op("Mul", 0.044715, op("Mul", op("Mul", x, x), x)), x)),
  "factored, c*x*(1 + 0.044715*x*x)": ({ x, op }) =>
    op("Mul", op("Mul", x, slope), op("Add", 1, op("Mul", op("Mul", x, 0.044715), x))),
};

test.each(Object.keys(cubics))("around a Tanh: %s becomes one Gelu", async (name) => {
  const source = tanhLayer(cubics[name] as Cubic);
  const prepared = await prepareModel(source);
  expect(operators(prepared)).toEqual(["MatMul", "Gelu", "MatMul"]);
  const [expected, found] = [await outputOf(source), await outputOf(prepared)];
  found.forEach((value, i) => expect(value).toBeCloseTo(expected[i] as number, 4));
});

test("another polynomial in a Tanh stays as it is", async () => {
  const others: Cubic[] = [
    ({ x, op }) => op("Mul", op("Add", x, op("Mul", op("Pow", x, 3), 0.05)), slope),
    ({ x, op }) => op("Mul", op("Add", x, op("Mul", op("Pow", x, 2), 0.044715)), slope),
    ({ x, op }) => op("Mul", x, slope),
    ({ x, op }) => op("Mul", op("Add", op("Neg", x), op("Mul", op("Pow", x, 3), 0.044715)), slope),
  ];
  for (const cubic of others) expect(operators(await prepareModel(tanhLayer(cubic)))).toContain("Tanh");
});
