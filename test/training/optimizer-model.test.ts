import { readFileSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import { encodeModel } from "../../src/onnx/index.ts";
import { Session } from "../../src/runtime/session.ts";
import { floats, ints, scalar, type Tensor, tensorOf, viewAs } from "../../src/tensor/tensor.ts";
import {
  buildOptimizerModel,
  type OptimizerTargets,
} from "../../src/training/optimizers/build-optimizer-model.ts";
import { defaultOptimizerOptions, type OptimizerOptions } from "../../src/training/optimizers/options.ts";
import { zeros } from "../../src/training/state.ts";

interface Trajectory {
  start: { weight: number[][]; bias: number[] };
  gradients: { weight: number[][]; bias: number[] }[];
  end: { weight: number[][]; bias: number[] };
}
const fixture = JSON.parse(
  readFileSync(new URL("fixtures/torch-optimizers.json", import.meta.url), "utf8"),
) as Record<"sgd" | "nesterov" | "adamw", Trajectory> & {
  scale: {
    qmin: number;
    qmax: number;
    latent: number[][];
    codes: number[][];
    scale: number[];
    upstream: number[][];
    constantCodes: number[];
    latentGradient: number[][];
    scaleGradient: number[];
  };
};

const sessions: Session[] = [];
afterAll(async () => {
  for (const session of sessions) await session.release();
});

/** A stepping function over its own state: gradients and rates in, all outputs by name out. */
async function stepper(
  targets: OptimizerTargets,
  options: Partial<OptimizerOptions>,
  state: Map<string, Tensor>,
) {
  const optimizer = buildOptimizerModel(targets, { ...defaultOptimizerOptions, ...options }, 13);
  const session = await Session.create(encodeModel(optimizer.model));
  sessions.push(session);
  return async (gradients: Record<string, Tensor>) => {
    const feeds: Record<string, Tensor> = {};
    for (const { name, role, default: value, shape } of optimizer.inputs) {
      if (role === "gradient") feeds[name] = gradients[name] as Tensor;
      else if (role === "hyper") feeds[name] = scalar(value ?? Infinity);
      else feeds[name] = state.get(name) ?? zeros(shape.map((dim) => (typeof dim === "number" ? dim : -1)));
    }
    const results = await session.run(feeds);
    for (const { name, updates, rows } of optimizer.outputs) {
      if (updates !== null && rows === null) state.set(updates, results[name] as Tensor);
    }
    return results;
  };
}

const values = (tensor: Tensor | undefined): number[] =>
  tensor === undefined
    ? []
    : Array.from(tensor.dtype === "int8" ? viewAs(tensor, "int8") : viewAs(tensor, "float32"));

function expectClose(actual: number[], expected: number[], relative: number): void {
  expect(actual).toHaveLength(expected.length);
  const norm = Math.hypot(...expected);
  const gap = Math.hypot(...actual.map((value, index) => value - (expected[index] as number)));
  expect(gap).toBeLessThanOrEqual(relative * norm);
}

const plainWeight = { name: "W", shape: [4, 3], axis: 0, qmin: -127, qmax: 127 };

test.each([
  ["sgd", { kind: "sgd", clipNorm: 1.5 }],
  ["nesterov", { kind: "sgd", nesterov: true, clipNorm: Infinity }],
  ["adamw", { kind: "adamw", clipNorm: 1.5 }],
] as const)("%s steps like torch.optim", async (name, options) => {
  const { start, gradients, end } = fixture[name];
  const state = new Map<string, Tensor>([
    ["W.rows", ints([0, 1, 2, 3])],
    ["W.scale", floats([1, 1, 1, 1])],
    ["W.latent", floats(start.weight.flat(), [4, 3])],
    ["W.momentum", zeros([4, 3])],
    ["W.exp_avg", zeros([4, 3])],
    ["W.exp_avg_sq", zeros([4, 3])],
    ["W.steps", zeros([4])],
    ["B", floats(start.bias)],
  ]);
  const step = await stepper(
    { weights: [plainWeight], parameters: [{ name: "B", shape: [3] }], activations: [] },
    { ...options, weightRate: 0.1, parameterRate: 0.02, weightDecay: 0.01, weightScaleRate: 0 },
    state,
  );
  for (const { weight, bias } of gradients) {
    await step({
      "W.grad": floats(weight.flat(), [4, 3]),
      "W.scale.grad": zeros([4]),
      "B.grad": floats(bias),
    });
  }
  expectClose(values(state.get("W.latent")), end.weight.flat(), 2e-6);
  expectClose(values(state.get("B")), end.bias, 2e-6);
  expect(values(state.get("step"))).toEqual([gradients.length]);
});

test("masks saturated latents and completes the scale gradient as autograd does", async () => {
  const { qmin, qmax, latent, scale, upstream, constantCodes, latentGradient, scaleGradient } = fixture.scale;
  const state = new Map<string, Tensor>([
    ["W.rows", ints([0, 2])],
    ["W.scale", floats(scale)],
    ["W.latent", floats(latent.flat(), [2, 6])],
    ["W.momentum", zeros([2, 6])],
  ]);
  const step = await stepper(
    { weights: [{ name: "W", shape: [3, 6], axis: 0, qmin, qmax }], parameters: [], activations: [] },
    { clipNorm: Infinity, weightScaleRate: 0, weightRate: 0 },
    state,
  );
  const results = await step({
    "W.grad": floats([upstream[0] as number[], upstream[2] as number[]].flat(), [2, 6]),
    "W.scale.grad": floats(constantCodes),
  });
  expect(latentGradient.flat().filter((value) => value === 0).length).toBeGreaterThan(0);
  expectClose(values(results["W.momentum.next"]), latentGradient.flat(), 1e-6);
  const first = values(results["weight_scales.exp_avg.next"]);
  expectClose(
    first.map((value, row) => value / (0.1 * (scale[row] as number))),
    scaleGradient,
    1e-5,
  );
});

test("gives the codes of trained rows rounded half to even and clipped, row axis first", async () => {
  const state = new Map<string, Tensor>([
    ["W.rows", ints([1])],
    ["W.scale", floats([1, 0.5])],
    ["W.latent", floats([0.25, 0.75, -100, 1.25], [1, 4])],
    ["W.momentum", zeros([1, 4])],
  ]);
  const step = await stepper(
    { weights: [{ name: "W", shape: [4, 2], axis: 1, qmin: -8, qmax: 7 }], parameters: [], activations: [] },
    { weightRate: 0, weightScaleRate: 0 },
    state,
  );
  const results = await step({ "W.grad": zeros([1, 4]), "W.scale.grad": zeros([2]) });
  expect(results["W.codes.next"]?.dims).toEqual([1, 4]);
  expect(values(results["W.codes.next"])).toEqual([0, 2, -8, 2]);
});

test("keeps scales positive and zero points within the codes", async () => {
  const state = new Map<string, Tensor>([
    ["A.scale", scalar(0.1)],
    ["A.zero_point", scalar(254.5)],
    ["C.scale", scalar(0.2)],
  ]);
  const step = await stepper(
    {
      weights: [],
      parameters: [],
      activations: [
        { scale: "A.scale", zeroPoint: "A.zero_point", qmin: 0, qmax: 255 },
        { scale: "C.scale", zeroPoint: undefined, qmin: 0, qmax: 15 },
      ],
    },
    { activationScaleRate: 5, zeroPointRate: 1 },
    state,
  );
  for (let i = 0; i < 40; i++)
    await step({ "A.scale.grad": scalar(1), "A.zero_point.grad": scalar(-3), "C.scale.grad": scalar(0) });
  const [scale = 0] = values(state.get("A.scale"));
  expect(scale).toBe(Math.fround(1e-10));
  expect(values(state.get("A.zero_point"))).toEqual([255]);
  expect(values(state.get("C.scale"))).toEqual([Math.fround(0.2)]);
});

test("runs with no trained row at all", async () => {
  const state = new Map<string, Tensor>([
    ["W.rows", tensorOf("int64", [0], new BigInt64Array(0))],
    ["W.scale", floats([1, 2, 3, 4])],
    ["W.latent", zeros([0, 3])],
    ["W.momentum", zeros([0, 3])],
    ["B", floats([1, 2, 3])],
  ]);
  const step = await stepper(
    { weights: [plainWeight], parameters: [{ name: "B", shape: [3] }], activations: [] },
    { clipNorm: Infinity, parameterRate: 1 },
    state,
  );
  const results = await step({
    "W.grad": zeros([0, 3]),
    "W.scale.grad": floats([1, -1, 0, 0]),
    "B.grad": floats([3, 0, 4]),
  });
  expect(results["W.codes.next"]?.dims).toEqual([0, 3]);
  expect(values(results["gradient_norm"])).toEqual([5]);
  expect(values(state.get("B"))).toEqual([-2, 2, -1]);
  const [falls = 0, rises = 0, ...rest] = values(state.get("W.scale"));
  expect(falls).toBeLessThan(1);
  expect(rises).toBeGreaterThan(2);
  expect(rest).toEqual([3, 4]);
});
