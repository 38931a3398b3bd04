import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { differentiate } from "../../src/autodiff/differentiate.ts";
import { cloneModel } from "../../src/ir/clone.ts";
import { Emitter } from "../../src/ir/emit.ts";
import { contribOpsets } from "../../src/ir/graph.ts";
import { requiredInputs, staticShape } from "../../src/ir/value-types.ts";
import type { Model } from "../../src/ir/model.ts";
import { decodeModel, encodeModel } from "../../src/onnx/index.ts";
import { pinBatch } from "../../src/passes/pin-batch.ts";
import { runPasses } from "../../src/passes/pipeline.ts";
import { prepareModel } from "../../src/passes/prepare.ts";
import { raiseOpset } from "../../src/passes/raise-opset/raise-opset.ts";
import { Session } from "../../src/runtime/session.ts";
import { elementCount, floats, type Tensor, tensorOf, toNumbers, viewAs } from "../../src/tensor/tensor.ts";
import { randomSource, randomTensor } from "../support/random-tensor.ts";

/** Of a gradient's norm: the third derivative over the step, rounding of the loss, and a few values at kinks. */
const tolerance = 2e-2;

const names = readdirSync("fixtures/architectures").filter((name) => name.endsWith(".onnx"));

describe("gradients of whole networks by all their float parameters are the slopes of the loss", () => {
  test.each(names)("%s", async (file) => {
    const network = await trainable(decodeModel(readFileSync(`fixtures/architectures/${file}`)));
    const { gradients, lossAt } = await openNetwork(network);
    const random = randomSource(3);
    for (const [name, gradient] of gradients) {
      // The half of the elements that a coin picks, and the other half: an error anywhere shows in one of them.
      const coins = gradient.map(() => random() < 0.5);
      for (const side of [true, false]) {
        const part = gradient.map((value, i) => (coins[i] === side ? value : 0));
        const norm = Math.hypot(...part);
        if (norm < 1e-3) continue;
        const step = 5e-4 * Math.min(1, 1 / norm);
        const [up, down] = [await lossAt(name, part, step / norm), await lossAt(name, part, -step / norm)];
        const rounding = (2 ** -21 * (Math.abs(up) + Math.abs(down) + 1)) / step;
        expect(Math.abs((up - down) / (2 * step) - norm), `slope along ${name}`).toBeLessThan(
          tolerance * norm + rounding,
        );
      }
    }
  });
});

interface Network {
  model: Model;
  parameters: string[];
}

/** The prepared network at a fixed size, its float constants of more than one element as inputs, and a loss. */
async function trainable(source: Model): Promise<Network> {
  const raised = await runPasses(await prepareModel(source), [raiseOpset(18)]);
  const withLoss = cloneModel(raised);
  const emit = new Emitter(withLoss.graph);
  const output = withLoss.graph.outputs[0]?.name ?? "";
  const shape = staticShape(withLoss.graph, output) ?? [];
  const product = emit.op("Mul", [output, emit.constant(randomTensor(shape, 5))]);
  emit.node("ReduceSum", [product], { attributes: { keepdims: 0 }, outputs: ["loss"] });
  withLoss.graph.outputs = [{ name: "loss", type: { kind: "tensor", dtype: "float32", shape: [] } }];
  const model = await pinBatch(withLoss, 2);
  const parameters = [...model.graph.initializers]
    .filter(([, { dtype, dims }]) => dtype === "float32" && elementCount(dims) > 1)
    .map(([name]) => name);
  return { model, parameters };
}

async function openNetwork({ model, parameters }: Network) {
  const { graph, gradients } = differentiate(model.graph, {
    ...{ loss: "loss", parameters, weights: [], opset: model.opsets.get("") ?? 18 },
  });
  const constants = new Map(parameters.map((name) => [name, model.graph.initializers.get(name) as Tensor]));
  const opened = cloneModel({ ...model, graph, opsets: new Map([...model.opsets, ...contribOpsets(graph)]) });
  for (const [name, { dtype, dims }] of constants) {
    opened.graph.initializers.delete(name);
    opened.graph.inputs.push({ name, type: { kind: "tensor", dtype, shape: [...dims] } });
  }
  opened.graph.outputs.push(...[...gradients.values()].map((name) => ({ name, type: undefined })));
  // With every weight an input ONNX Runtime 1.30 names two constants of its own alike when it optimizes the BERT.
  const session = await Session.create(encodeModel(opened), { threads: 1, optimization: "disabled" });
  const feeds = { ...Object.fromEntries(constants), ...samplesOf(model) };
  const found = await session.run(feeds);
  const wanted = [...gradients].map(([name, value]) => [name, toNumbers(found[value] as Tensor)] as const);
  const lossAt = async (name: string, direction: readonly number[], step: number): Promise<number> => {
    const at = constants.get(name) as Tensor;
    const moved = viewAs(at, "float32").map((value, i) => value + step * (direction[i] as number));
    const results = await session.run({ ...feeds, [name]: floats(moved, at.dims) }, ["loss"]);
    return viewAs(results["loss"] as Tensor, "float32")[0] ?? NaN;
  };
  return { gradients: wanted, lossAt };
}

/** Random images; identifiers 0 to 39; a mask that leaves out the last two positions of the second sample. */
function samplesOf({ graph }: Model): Record<string, Tensor> {
  return Object.fromEntries(
    requiredInputs(graph).map(({ name }, i) => {
      const shape = staticShape(graph, name) ?? [];
      if (name === "x") return [name, randomTensor(shape, 11 + i)];
      const count = elementCount(shape);
      const values = Array.from({ length: count }, (_, at) =>
        name === "mask" ? (at >= count - 2 ? 0 : 1) : (at * 7 + 3) % 40,
      );
      return [name, tensorOf("int64", shape, BigInt64Array.from(values.map(BigInt)))];
    }),
  );
}
