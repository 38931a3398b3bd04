import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { differentiate } from "../../src/autodiff/differentiate.ts";
import { Emitter } from "../../src/ir/emit.ts";
import { contribOpsets, createGraph, createModel, createValue } from "../../src/ir/graph.ts";
import type { Graph, Model } from "../../src/ir/model.ts";
import { encodeModel } from "../../src/onnx/index.ts";
import { pinBatch } from "../../src/passes/pin-batch.ts";
import { runPasses } from "../../src/passes/pipeline.ts";
import { raiseOpset } from "../../src/passes/raise-opset/raise-opset.ts";
import { Session } from "../../src/runtime/session.ts";
import { floats, ints, type Tensor, toNumbers } from "../../src/tensor/tensor.ts";
import { attachLoss, attachSampleLosses, hasSampleLosses } from "../../src/training/losses/attach-loss.ts";
import { withTargetLengths } from "../../src/training/losses/label-sequences.ts";
import { openLossModel } from "../../src/training/losses/loss-model.ts";
import { isLossFile, type LossKind, parseLoss } from "../../src/training/losses/loss-request.ts";
import { type Loss, resolveLoss } from "../../src/training/losses/resolve-loss.ts";
import type { TargetArrays } from "../../src/data/targets.ts";
import { lossTermNames } from "../../src/training/losses/terms.ts";

interface Packed {
  dtype: "float32" | "float64" | "int64";
  dims: number[];
  data: number[];
}

/** A loss with its value and gradient as PyTorch has them; see scripts/fixtures/losses.py. */
interface Case {
  name: string;
  loss: string;
  output: string;
  activation: string | null;
  x: Packed;
  feeds: Record<string, Packed>;
  value: number;
  grad: Packed;
  model: string | null;
  /** The axis of samples of x; default: the first. */
  samplesAxis?: number;
}

const { cases } = JSON.parse(readFileSync("fixtures/losses/cases.json", "utf8")) as { cases: Case[] };

const unpack = ({ dtype, dims, data }: Packed): Tensor =>
  dtype === "int64" ? ints(data, dims) : floats(data, dims);

/** x [2, ...] -> the output, and beside it the mask where the case has one. */
function networkOf({ x, output, activation, feeds, samplesAxis = 0 }: Case): Graph {
  const graph = createGraph("network");
  const shape = x.dims.map((dim, axis) => (axis === samplesAxis ? "N" : dim));
  graph.inputs.push(createValue("x", "float32", shape));
  if (feeds["attention_mask"] !== undefined)
    graph.inputs.push(
      createValue("attention_mask", "int64", ["N", ...feeds["attention_mask"].dims.slice(1)]),
    );
  const attributes = /Softmax/.test(activation ?? "") ? { axis: -1 } : {};
  new Emitter(graph).node(activation ?? "Identity", ["x"], { outputs: [output], attributes });
  graph.outputs.push(createValue(output, "float32", shape));
  return graph;
}

function targetsOf({ feeds }: Case): TargetArrays {
  const arrays = Object.entries(feeds).filter(([name]) => name.endsWith(".target"));
  const named = new Map(arrays.map(([name, packed]) => [name.replace(".target", ""), packed]));
  return {
    names: [...named.keys()],
    shapeOf: (name) => Promise.resolve({ dtype: "float32", dims: named.get(name)?.dims.slice(1) ?? [] }),
    read: () => Promise.reject(new Error("no samples are read")),
  };
}

async function kindOf(one: Case, graph: Graph): Promise<LossKind> {
  const targets = targetsOf(one);
  if (one.model === null) {
    const asked = parseLoss(one.loss);
    if (isLossFile(asked)) throw new Error("the case has no model");
    return withTargetLengths(asked, targets);
  }
  const folder = mkdtempSync(join(tmpdir(), "efqat-loss-"));
  try {
    const file = join(folder, "loss.onnx");
    writeFileSync(file, Buffer.from(one.model, "base64"));
    return await openLossModel(file, graph, { hasLabels: one.feeds["labels"] !== undefined, targets });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Loss, losses of samples and gradient of a case. */
async function compute(one: Case): Promise<{ value: number; samples: number[]; grad: number[]; loss: Loss }> {
  const graph = networkOf(one);
  const kind = await kindOf(one, graph);
  const loss = resolveLoss(graph, { kind, hasLabels: one.feeds["labels"] !== undefined, distill: 0.5 });
  const attached = createModel(graph, loss.model?.model.opsets.get("") ?? 13);
  const targets = attachLoss(attached, loss);
  if (hasSampleLosses(loss)) attachSampleLosses(attached, loss, targets);
  const raised = await runPasses(attached, [raiseOpset(18)]);
  const pinned = await pinBatch(raised, 2);
  const back = differentiate(pinned.graph, { loss: "loss", parameters: ["x"], weights: [], opset: 18 });
  const grad = back.gradients.get("x") as string;
  back.graph.outputs.push(createValue(grad, "float32", one.x.dims));
  const model: Model = {
    ...pinned,
    graph: back.graph,
    opsets: new Map([["", 18], ...contribOpsets(back.graph)]),
  };
  const session = await Session.create(encodeModel(model));
  const feeds = Object.entries(one.feeds).map(([name, packed]) => [name, unpack(packed)] as const);
  const outputs = await session.run({ x: unpack(one.x), ...Object.fromEntries(feeds) });
  await session.release();
  const numbers = (name: string): number[] => {
    const tensor = outputs[name];
    return tensor === undefined ? [] : toNumbers(tensor);
  };
  return { value: numbers("loss")[0] ?? NaN, samples: numbers("loss.samples"), grad: numbers(grad), loss };
}

const norm = (values: readonly number[]): number => Math.hypot(...values);

test.each(cases.map((one) => [one.name, one] as const))(
  "%s: value and gradient are PyTorch's",
  async (_, one) => {
    const { value, samples, grad } = await compute(one);
    expect(Math.abs(value - one.value)).toBeLessThan(1e-5 * (1 + Math.abs(one.value)));
    const gap = grad.map((each, index) => each - (one.grad.data[index] as number));
    expect(norm(gap)).toBeLessThan(1e-4 * norm(one.grad.data));
    expect(norm(one.grad.data)).toBeGreaterThan(0);
    // Where places do not count, samples of fewer have a larger part in the mean of samples than in that of places.
    const ofSequences = one.loss.includes("ctc");
    const ignored = Object.entries(one.feeds).some(
      ([name, { data }]) => !ofSequences && (name === "attention_mask" || data.includes(-1)),
    );
    // Label sequences that do not fit count in neither.
    const counted = samples.filter((each) => !ofSequences || each > 0);
    if (samples.length > 0 && !ignored)
      expect(counted.reduce((a, b) => a + b) / counted.length).toBeCloseTo(value, 5);
  },
);

test("every named loss has a case", () => {
  const used = cases.map(({ loss }) => loss).join(" ");
  expect(lossTermNames.filter((name) => !used.includes(name))).toEqual([]);
});
