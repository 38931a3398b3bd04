import { describe, expect, test } from "vitest";
import { differentiate } from "../../src/autodiff/differentiate.ts";
import { cloneModel } from "../../src/ir/clone.ts";
import { Emitter } from "../../src/ir/emit.ts";
import { contribOpsets } from "../../src/ir/graph.ts";
import type { Model } from "../../src/ir/model.ts";
import { encodeModel } from "../../src/onnx/index.ts";
import { pinBatch } from "../../src/passes/pin-batch.ts";
import { runPasses } from "../../src/passes/pipeline.ts";
import { prepareModel } from "../../src/passes/prepare.ts";
import { raiseOpset } from "../../src/passes/raise-opset/raise-opset.ts";
import { Session } from "../../src/runtime/session.ts";
import { elementCount, floats, type Tensor, toNumbers, viewAs } from "../../src/tensor/tensor.ts";
import { type Architecture, readArchitectures } from "../support/architectures.ts";
import { relativeError } from "../support/gradient-cases.ts";
import { matchParameter } from "../support/match-parameters.ts";
import { randomSource } from "../support/random-tensor.ts";

/** Of a gradient's norm, float32 against PyTorch in float64. */
const tolerance = 1e-3;

/** The same of a slope measured by differences: also the third derivative over the step, and a few values at kinks. */
const slopeTolerance = 2e-2;

/** Another folder than the fixtures, with more networks: see scripts/fixtures/export_architectures.py. */
const folder = process.env["EFQAT_ARCHITECTURES"] ?? "fixtures/architectures";

describe("gradients of whole networks agree with PyTorch autograd on the module", () => {
  test.each(readArchitectures(folder))("$name", async (architecture) => {
    const network = await openNetwork(architecture);
    expect(relativeError(network.y, architecture.y), "output").toBeLessThan(1e-4);
    const expected = [...inputGradients(architecture, network), ...parameterGradients(architecture, network)];
    // Where a gradient is 0 but for rounding, as of a bias in front of a Softmax, its error is of the others' size.
    const scale = Math.max(...expected.map(({ wanted }) => Math.hypot(...wanted) / Math.sqrt(wanted.length)));
    for (const { name, found, wanted } of expected) {
      const error = Math.hypot(...found.map((value, i) => value - (wanted[i] as number)));
      const rounding = 1e-5 * scale * Math.sqrt(wanted.length);
      expect(error, `gradient of ${name}`).toBeLessThan(tolerance * Math.hypot(...wanted) + rounding);
    }
    for (const name of network.gradients.keys())
      if (!network.matched.has(name)) await checkSlope(network, name);
  });
});

interface Network {
  y: Tensor;
  constants: ReadonlyMap<string, Tensor>;
  gradients: ReadonlyMap<string, readonly number[]>;
  /** Constants that hold a parameter of the module. */
  matched: Set<string>;
  /** The loss with an element-wise step of a constant. */
  lossAt: (name: string, step: readonly number[]) => Promise<number>;
}

interface Comparison {
  name: string;
  found: readonly number[];
  wanted: readonly number[];
}

const inputGradients = ({ inputs }: Architecture, { gradients }: Network): Comparison[] =>
  Object.entries(inputs).map(([name, gradient]) => ({
    name,
    found: gradients.get(name) ?? [],
    wanted: toNumbers(gradient),
  }));

/** What of a module no constant holds as such, for preparation or an exporter computed others of it. */
const recomputed: readonly (readonly [RegExp, string])[] = [
  [/\.(factor|shift)$/, "folded into the layer in front"],
  [/relative_position_bias_table$|relative_attention_bias\.weight$/, "gathered for pairs of positions"],
  [/\.bias_(ih|hh)_l0/, "gates in another order"],
  [/\.(pos_proj|pos_q_proj|rel_embeddings)\./, "two constants whose product an exporter computed"],
  [/parametrizations\.weight\.original/, "norm and direction of a weight"],
];

/** Each parameter of the module, which one constant or several that hold it must have the gradient of together. */
function parameterGradients({ parameters, norms }: Architecture, network: Network): Comparison[] {
  return Object.entries({ ...parameters, ...norms }).flatMap(([name, { value, gradient }]) => {
    const parts = [...network.constants].flatMap(([constant, held]) => {
      const read = matchParameter(value, held);
      if (read === undefined) return [];
      network.matched.add(constant);
      return [read(network.gradients.get(constant) as readonly number[])];
    });
    if (parts.length === 0 && recomputed.some(([pattern]) => pattern.test(name))) return [];
    expect(parts.length, `constants that hold ${name}`).toBeGreaterThan(0);
    const found = toNumbers(gradient).map((_, i) =>
      parts.reduce((sum, part) => sum + (part[i] as number), 0),
    );
    return [{ name, found, wanted: toNumbers(gradient) }];
  });
}

/** Compares the gradient of a constant that is no parameter's, as one folded from several, with measured slopes. */
async function checkSlope(network: Network, name: string): Promise<void> {
  const random = randomSource(3);
  const gradient = network.gradients.get(name) as readonly number[];
  // The half of the elements that a coin picks, and the other half: an error anywhere shows in one of them.
  const coins = gradient.map(() => random() < 0.5);
  for (const side of [true, false]) {
    const part = gradient.map((value, i) => (coins[i] === side ? value : 0));
    if (Math.hypot(...part) < 1e-3) continue;
    // A kink that lies within one step is not within the other.
    const results = [
      await slopeError(network, name, part, 5e-4),
      await slopeError(network, name, part, 1e-4),
    ];
    const best = results.reduce((a, b) => (b.error - b.allowed < a.error - a.allowed ? b : a));
    expect(best.error, `slope along ${name}`).toBeLessThan(best.allowed);
  }
}

async function slopeError(
  { lossAt }: Network,
  name: string,
  direction: readonly number[],
  length: number,
): Promise<{ error: number; allowed: number }> {
  const norm = Math.hypot(...direction);
  const step = length * Math.min(1, 1 / norm);
  const at = (side: number): Promise<number> =>
    lossAt(
      name,
      direction.map((value) => (value * side * step) / norm),
    );
  const [up, down] = [await at(1), await at(-1)];
  const rounding = (2 ** -21 * (Math.abs(up) + Math.abs(down) + 1)) / step;
  return {
    error: Math.abs((up - down) / (2 * step) - norm),
    allowed: slopeTolerance * norm + rounding,
  };
}

/** The prepared network with the loss behind it, at the size of its samples. */
async function withLoss({ model: source, factors, feeds }: Architecture): Promise<Model> {
  const raised = await runPasses(await prepareModel(source), [raiseOpset(18)]);
  const model = cloneModel(raised);
  const emit = new Emitter(model.graph);
  const product = emit.op("Mul", [model.graph.outputs[0]?.name ?? "", emit.constant(factors)]);
  emit.node("ReduceSum", [product], { attributes: { keepdims: 0 }, outputs: ["loss"] });
  model.graph.outputs.push({ name: "loss", type: { kind: "tensor", dtype: "float32", shape: [] } });
  return pinBatch(model, Object.values(feeds)[0]?.dims[0] ?? 1);
}

async function openNetwork(architecture: Architecture): Promise<Network> {
  const model = await withLoss(architecture);
  const constants = new Map(
    [...model.graph.initializers].filter(
      ([, { dtype, dims }]) => dtype === "float32" && elementCount(dims) > 1,
    ),
  );
  const parameters = [...constants.keys(), ...Object.keys(architecture.inputs)];
  const { graph, gradients } = differentiate(model.graph, {
    loss: "loss",
    parameters,
    weights: [],
    opset: model.opsets.get("") ?? 18,
  });
  const opened = cloneModel({ ...model, graph, opsets: new Map([...model.opsets, ...contribOpsets(graph)]) });
  for (const [name, { dtype, dims }] of constants) {
    opened.graph.initializers.delete(name);
    opened.graph.inputs.push({ name, type: { kind: "tensor", dtype, shape: [...dims] } });
  }
  opened.graph.outputs.push(...[...gradients.values()].map((name) => ({ name, type: undefined })));
  // With every weight an input ONNX Runtime 1.30 names two constants of its own alike when it optimizes the BERT.
  const session = await Session.create(encodeModel(opened), { threads: 1, optimization: "disabled" });
  const feeds = { ...Object.fromEntries(constants), ...architecture.feeds };
  const found = await session.run(feeds);
  return {
    y: found["y"] as Tensor,
    constants,
    matched: new Set(Object.keys(architecture.inputs)),
    gradients: new Map([...gradients].map(([name, value]) => [name, toNumbers(found[value] as Tensor)])),
    lossAt: async (name, step) => {
      const at = constants.get(name) as Tensor;
      const moved = viewAs(at, "float32").map((value, i) => value + (step[i] as number));
      const results = await session.run({ ...feeds, [name]: floats(moved, at.dims) }, ["loss"]);
      return viewAs(results["loss"] as Tensor, "float32")[0] ?? NaN;
    },
  };
}
