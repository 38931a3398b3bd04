import { describe, expect, test } from "vitest";
import type { Model } from "../../src/ir/model.ts";
import { lowerIntegerBackward } from "../../src/lowering/integer/integer-backward.ts";
import { planIntegerBackward } from "../../src/lowering/integer/plan-backward.ts";
import { lowerGradientNodes } from "../../src/lowering/lower-gradient-nodes.ts";
import { guessedAlgorithms } from "../../src/lowering/algorithms.ts";
import { gradientDomain } from "../../src/ops/gradient-nodes.ts";
import { withSession } from "../../src/runtime/open-model.ts";
import { elementCount, floats, ints, type Tensor, tensorOf, viewAs } from "../../src/tensor/tensor.ts";
import { buildModel } from "../support/build-model.ts";
import { needsExactKernels, saturates } from "../support/saturation.ts";

const [inputs, outputs] = [5, 7];
const zeroOfX = 17;

interface Layer {
  /** Leading dimensions of x and y. */
  batch: number[];
  /** Whether the weight is stored [N, K], as a Gemm may have it. */
  transposed: boolean;
  /** Whether dw is of some rows only. */
  some: boolean;
}

const layers: Layer[] = [
  { batch: [6], transposed: false, some: true },
  { batch: [6], transposed: true, some: true },
  { batch: [2, 3], transposed: false, some: false },
  { batch: [2, 2, 3], transposed: false, some: true },
];

/** dx and dw of a linear layer by abstract nodes, from float dy and the codes of x and w. */
function gradients({ batch, transposed, some }: Layer): Model {
  const weight = transposed ? [outputs, inputs] : [inputs, outputs];
  return buildModel({
    inputs: {
      dy: [...batch, outputs],
      x_codes: ["uint8", ...batch, inputs],
      codes: ["int8", ...weight],
      scale: [outputs],
      rows: ["int64", 2],
    },
    outputs: ["dx", "dw"],
    opset: 18,
    build(emit) {
      const abstract = { domain: gradientDomain };
      const tokens = elementCount(batch);
      const flat = (value: string, size: number): string =>
        emit.op("Reshape", [value, emit.constant(ints([tokens, size]))]);
      const zero = emit.constant(tensorOf("uint8", [], Uint8Array.of(zeroOfX)));
      const x = emit.op("DequantizeLinear", ["x_codes", emit.constant(floats([0.05], [])), zero]);
      const w = emit.op("DequantizeLinear", ["codes", "scale"], { axis: transposed ? 0 : 1 });
      const shapes = { y_shape: [...batch, outputs], w_shape: weight, transposed: transposed ? 1 : 0 };
      emit.op("LinearDataGrad", ["dy", w, "codes", "scale"], shapes, { ...abstract, outputs: ["dx"] });
      const operands = [flat(x, inputs), flat("dy", outputs), ...(some ? ["rows"] : [])];
      const sizes = { x_shape: [tokens, inputs], y_shape: [tokens, outputs] };
      emit.op("LinearWeightGrad", operands, sizes, { ...abstract, outputs: ["dw"] });
    },
  });
}

const random = (count: number, low: number, high: number): number[] =>
  Array.from({ length: count }, (_, i) => low + ((i * 7919 + 31) % (high - low + 1)));

/** Whole numbers for dy, each token's reaching to 127, times a factor of each token. */
function feedsOf({ batch, transposed }: Layer, factors: (token: number) => number): Record<string, Tensor> {
  const tokens = elementCount(batch);
  const dy = random(tokens * outputs, -127, 127).map(
    (value, i) => factors(Math.floor(i / outputs)) * (i % outputs === 0 ? 127 : value),
  );
  const weight = transposed ? [outputs, inputs] : [inputs, outputs];
  return {
    dy: floats(Float32Array.from(dy), [...batch, outputs]),
    x_codes: tensorOf("uint8", [...batch, inputs], Uint8Array.from(random(tokens * inputs, 0, 255))),
    codes: tensorOf("int8", weight, Int8Array.from(random(inputs * outputs, -127, 127))),
    scale: floats(new Float32Array(outputs).fill(0.01), [outputs]),
    rows: ints([3, 1]),
  };
}

async function run(
  model: Model,
  feeds: Record<string, Tensor>,
): Promise<{ dx: Float32Array; dw: Float32Array }> {
  const graph = lowerGradientNodes(model.graph, { portable: false, algorithms: guessedAlgorithms });
  const opsets = new Map([...model.opsets, ["com.microsoft", 1] as const]);
  const results = await withSession({ ...model, graph, opsets }, { threads: 1 }, (session) =>
    session.run(Object.fromEntries(session.inputs.map(({ name }) => [name, feeds[name] as Tensor]))),
  );
  const [dx, dw] = ["dx", "dw"].map((name) => viewAs(results[name] as Tensor, "float32"));
  return { dx: dx as Float32Array, dw: dw as Float32Array };
}

const largest = (values: Float32Array): number =>
  values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
const farthest = (values: Float32Array, exact: Float32Array): number =>
  largest(values.map((value, i) => value - (exact[i] as number)));

function inCodes(model: Model): Model {
  const plan = planIntegerBackward(model.graph);
  expect([...plan.products]).toEqual(["dx"]);
  const graph = lowerIntegerBackward(model.graph, plan, { amax: new Map(), integerForward: true });
  const kernels = graph.nodes.map(({ opType }) => opType);
  expect(kernels).toContain("MatMulIntegerToFloat");
  expect(kernels).toContain("MatMulInteger");
  expect(graph.nodes.filter(({ domain }) => domain === gradientDomain)).toEqual([]);
  return { ...model, graph };
}

describe.skipIf(saturates)(needsExactKernels, () => {
  test.each(layers)("gradients of whole numbers are exact: %j", async (layer) => {
    const model = gradients(layer);
    const feeds = feedsOf(layer, () => 1);
    const [exact, coded] = [await run(model, feeds), await run(inCodes(model), feeds)];
    expect(coded.dx.length).toBe(exact.dx.length);
    expect(farthest(coded.dx, exact.dx)).toBeLessThan(1e-5 * largest(exact.dx));
    expect(coded.dw.length).toBe(exact.dw.length);
    // The codes of dy have a zero point and reach from -127 to 127 in 255 steps: rounded by half a step each.
    expect(farthest(coded.dw, exact.dw)).toBeLessThan(5e-3 * largest(exact.dw));
  });
});

describe.skipIf(saturates)(needsExactKernels, () => {
  test.each(layers)("every token has a scale of its own: %j", async (layer) => {
    const model = gradients(layer);
    const factors = (token: number): number => 10 ** -token;
    const feeds = feedsOf(layer, factors);
    const [exact, coded] = [await run(model, feeds), await run(inCodes(model), feeds)];
    for (let token = 0; token < elementCount(layer.batch); token++) {
      const [own, other] = [exact, coded].map(({ dx }) => dx.slice(token * inputs, (token + 1) * inputs));
      expect(farthest(other as Float32Array, own as Float32Array)).toBeLessThan(
        1e-5 * largest(own as Float32Array),
      );
    }
  });
});
