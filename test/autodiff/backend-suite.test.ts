import { describe, expect, test } from "vitest";
import { differentiate } from "../../src/autodiff/differentiate.ts";
import { cloneModel } from "../../src/ir/clone.ts";
import { Emitter } from "../../src/ir/emit.ts";
import { contribOpsets, createValue } from "../../src/ir/graph.ts";
import type { Model } from "../../src/ir/model.ts";
import { staticShape } from "../../src/ir/value-types.ts";
import { decodeModel } from "../../src/onnx/index.ts";
import { runPasses } from "../../src/passes/pipeline.ts";
import { prepareModel } from "../../src/passes/prepare.ts";
import { raiseOpset } from "../../src/passes/raise-opset/raise-opset.ts";
import { recordTypes } from "../../src/passes/record-types.ts";
import { withSession } from "../../src/runtime/open-model.ts";
import { elementCount, floats, type Tensor, viewAs } from "../../src/tensor/tensor.ts";
import { type BackendCase, probe, readBackendCases, signs } from "../support/backend-gradients.ts";
import { readContainer } from "../support/model-container.ts";
import { exclusionOf } from "./backend-exclusions.ts";

/** Of a gradient's norm, that a slope along a vector of signs may be off; and what float32 leaves where tanh saturates. */
const [tolerance, resolution] = [1e-3, 5e-6];

/** One test in this many is run; all with EFQAT_BACKEND_SUITE=all. */
const stride = process.env["EFQAT_BACKEND_SUITE"] === "all" ? 1 : 8;

const { cases } = readBackendCases();
const suite = await readContainer(new URL("../../fixtures/backend-suite/models.bin.gz", import.meta.url));
const chosen = cases.filter((_, index) => index % stride === 0);

describe("gradients of node tests of the ONNX backend suite are PyTorch's", () => {
  test.each(chosen.filter(({ name }) => exclusionOf(name) === undefined))("$name", async (each) => {
    for (const { name, own, slopes, norm } of await compare(each))
      for (const [i, { value }] of slopes.entries())
        expect(Math.abs((own[i] as number) - value), `slope ${i} along ${name}`).toBeLessThan(
          tolerance * norm + resolution,
        );
  });

  test.each(chosen.filter(({ name }) => exclusionOf(name) !== undefined))(
    "$name is excluded",
    async (each) => {
      await expect(compare(each)).rejects.toThrow(exclusionOf(each.name));
    },
  );
});

type Compared = BackendCase["inputs"][number] & { own: number[] };

/** The slopes of our gradients beside PyTorch's. */
async function compare(each: BackendCase): Promise<Compared[]> {
  const wanted = each.inputs.filter(({ norm }) => norm > 0);
  const model = await trainable(each, new Set(wanted.map(({ name }) => name)));
  const { graph, gradients } = differentiate(model.graph, {
    loss: "objective",
    parameters: wanted.map(({ name }) => name),
    weights: [],
    opset: model.opsets.get("") ?? 18,
  });
  graph.outputs = [...gradients.values()].map((name) => ({ name, type: undefined }));
  const whole = { ...model, graph, opsets: new Map([...model.opsets, ...contribOpsets(graph)]) };
  const feeds = Object.fromEntries(graph.inputs.map(({ name }) => [name, each.feeds[name] as Tensor]));
  const found = await withSession(whole, { threads: 1, optimization: "disabled" }, (session) =>
    session.run(feeds),
  );
  return wanted.map((input) => {
    const gradient = viewAs(found[gradients.get(input.name) ?? ""] as Tensor, "float32");
    const own = input.slopes.map(({ seed }) =>
      signs(gradient.length, seed).reduce((sum, sign, i) => sum + sign * (gradient[i] as number), 0),
    );
    return { ...input, own };
  });
}

/** The test's model, prepared, with its loss; what is not differentiated by is a constant, as exporters write it. */
async function trainable({ name, feeds, outputs }: BackendCase, wanted: ReadonlySet<string>): Promise<Model> {
  const model = cloneModel(decodeModel(suite.get(`node/${name}`) as Uint8Array));
  // ONNX Runtime 1.30 takes no later ones; the operators are the same.
  model.irVersion = Math.min(model.irVersion, 10);
  model.opsets.set("", Math.min(model.opsets.get("") ?? 0, 26));
  const { graph } = model;
  // The kernels of losses take no constants.
  const isLoss = graph.nodes.some(({ opType }) => opType.endsWith("Loss"));
  graph.inputs = graph.inputs.flatMap((value) => {
    const feed = feeds[value.name] as Tensor;
    if (wanted.has(value.name) || isLoss) return [createValue(value.name, feed.dtype, feed.dims)];
    graph.initializers.set(value.name, feed);
    return [];
  });
  const prepared = await runPasses(await prepareModel(model), [raiseOpset(18), recordTypes()]);
  return attachLoss(cloneModel(prepared), outputs);
}

/** The sum of the outputs' elements times fixed numbers. */
function attachLoss(model: Model, outputs: BackendCase["outputs"]): Model {
  const { graph } = model;
  for (const value of graph.outputs) graph.valueInfo.set(value.name, value);
  const emit = new Emitter(graph);
  const typed = (value: string, shape: readonly number[]): string => {
    graph.valueInfo.set(value, createValue(value, "float32", shape));
    return value;
  };
  const terms = outputs.map(({ name, seed }) => {
    const shape = staticShape(graph, name) ?? [];
    const weights = emit.constant(floats(probe(elementCount(shape), seed), shape));
    const product = typed(emit.op("Mul", [name, weights]), shape);
    return typed(emit.op("ReduceSum", [product], { keepdims: 0 }), []);
  });
  emit.node("Sum", terms, { outputs: ["objective"] });
  graph.outputs = [createValue("objective", "float32", [])];
  return model;
}
