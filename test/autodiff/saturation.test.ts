import { expect, test } from "vitest";
import { differentiateAbstract } from "../../src/autodiff/differentiate.ts";
import { createModel, createValue } from "../../src/ir/graph.ts";
import { guessedAlgorithms } from "../../src/lowering/algorithms.ts";
import { lowerGradientNodes } from "../../src/lowering/lower-gradient-nodes.ts";
import { lowerQuantizerGradients } from "../../src/lowering/quantizer-grad.ts";
import { withSession } from "../../src/runtime/open-model.ts";
import { floats, scalar, type Tensor, tensorOf, viewAs } from "../../src/tensor/tensor.ts";
import { buildModel } from "../support/build-model.ts";

const shape = [2, 3, 4, 5];
const count = 120;

/** loss = <weights, fake-quantized x>, with codes instead of x for the backward to read. */
function graphOf(zeroPoint: number) {
  const model = buildModel({
    inputs: { x: shape, weights: shape, scale: [] },
    outputs: [],
    build(emit) {
      const { graph } = emit;
      graph.initializers.set("zero", tensorOf("uint8", [], Uint8Array.of(zeroPoint)));
      const typed = (name: string, dtype: "float32" | "uint8", dims: number[]): string => {
        graph.valueInfo.set(name, createValue(name, dtype, dims));
        return name;
      };
      emit.op("Relu", ["x"], {}, { outputs: [typed("value", "float32", shape)] });
      emit.op(
        "QuantizeLinear",
        ["value", "scale", "zero"],
        {},
        { outputs: [typed("codes", "uint8", shape)] },
      );
      emit.op(
        "DequantizeLinear",
        ["codes", "scale", "zero"],
        {},
        { outputs: [typed("y", "float32", shape)] },
      );
      emit.op("Mul", ["y", "weights"], {}, { outputs: [typed("product", "float32", shape)] });
      emit.op("ReduceSum", ["product"], { keepdims: 0 }, { outputs: [typed("loss", "float32", [])] });
    },
  });
  return model.graph;
}

/** Gradients of the scale and the zero point. */
async function gradientsOf(zeroPoint: number, fine: boolean): Promise<number[]> {
  const forward = graphOf(zeroPoint);
  const abstract = differentiateAbstract(forward, {
    loss: "loss",
    parameters: ["scale", "zero"],
    weights: [],
    opset: 17,
  });
  const saved = new Map([["value", { value: "y", codes: "codes", low: 0, high: 255, fine }]]);
  const graph = lowerGradientNodes(lowerQuantizerGradients(abstract.graph, forward, saved), {
    portable: false,
    algorithms: guessedAlgorithms,
  });
  const names = ["scale", "zero"].map((name) => abstract.gradients.get(name) as string);
  graph.outputs = names.map((name) => ({ name, type: undefined }));
  const wave = (of: (i: number) => number): Tensor =>
    floats(
      Array.from({ length: count }, (_, i) => of(i)),
      shape,
    );
  const feeds = {
    x: wave((i) => 40 * Math.sin(i) - 2),
    weights: wave((i) => Math.cos(3 * i)),
    scale: scalar(0.1),
  };
  const found = await withSession(createModel(graph, 17), { threads: 1 }, (session) => session.run(feeds));
  return names.map((name) => viewAs(found[name] as Tensor, "float32")[0] as number);
}

test.each([0, 30])(
  "zero point %i: sums over what saturates are the difference of the whole sums",
  async (zero) => {
    const [sums, differences] = [await gradientsOf(zero, false), await gradientsOf(zero, true)];
    expect(Math.abs(sums[0] as number)).toBeGreaterThan(1);
    sums.forEach((value, i) => expect(value).toBeCloseTo(differences[i] as number, 3));
  },
);
