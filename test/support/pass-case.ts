import { expect } from "vitest";
import { printModel } from "../../src/ir/print.ts";
import type { Model } from "../../src/ir/model.ts";
import { verifyModel } from "../../src/ir/verify.ts";
import { decodeModel, encodeModel } from "../../src/onnx/index.ts";
import { createContext, type Pass, type Refusal } from "../../src/passes/define-pass.ts";
import { withSession } from "../../src/runtime/open-model.ts";
import { elementCount, type Tensor, toNumbers } from "../../src/tensor/tensor.ts";
import { randomTensor } from "./random-tensor.ts";

export interface PassCase {
  pass: Pass;
  model: Model;
  /** Name of the golden text under test/golden/passes. */
  golden: string;
  /** Largest allowed |after - before| / (1 + |before|) of any output element; 0 asks for equality. */
  tolerance: number;
  /** Size of open dimensions of the inputs in the comparison. */
  batch?: number;
  /** Values of inputs; others are uniform in [-1, 1). */
  feeds?: Readonly<Record<string, Tensor>>;
}

/**
 * What every pass must hold: the result verifies and has the golden text, survives encoding, computes the same in
 * ONNX Runtime, leaves its argument alone, and has nothing to do on its own result. Returns the result and
 * what the pass refused.
 */
export async function checkPass(test: PassCase): Promise<{ model: Model; refusals: Refusal[] }> {
  const refusals: Refusal[] = [];
  const context = createContext(test.pass.name, refusals);
  const before = printModel(test.model);
  const model = await test.pass.run(test.model, context);
  expect(printModel(test.model), "the pass changed its argument").toBe(before);
  verifyModel(model);
  const after = printModel(model);
  await expect(after).toMatchFileSnapshot(goldenPath(test.golden));
  expect(printModel(decodeModel(encodeModel(model))), "encoding changed the model").toBe(after);
  await expectSameOutputs(test.model, model, test);
  const again = await test.pass.run(model, createContext(test.pass.name, []));
  expect(printModel(again), "a second run changed the model").toBe(after);
  return { model, refusals };
}

/** Compares all outputs of two models in ONNX Runtime, unoptimized, on the same inputs. */
export async function expectSameOutputs(
  before: Model,
  after: Model,
  options: Pick<PassCase, "tolerance" | "batch" | "feeds">,
): Promise<void> {
  const feeds = feedsFor(before, options);
  const [expected, actual] = [await run(before, feeds), await run(after, feeds)];
  expect(Object.keys(actual)).toEqual(Object.keys(expected));
  for (const [name, tensor] of Object.entries(expected)) {
    const other = actual[name] as Tensor;
    expect(other.dtype).toBe(tensor.dtype);
    expect(other.dims, `shape of ${name}`).toEqual(tensor.dims);
    expect(largestError(tensor, other), `error of ${name}`).toBeLessThanOrEqual(options.tolerance);
  }
}

/** max |b - a| / (1 + |a|); infinite where only one of the two is a number. */
export function largestError(a: Tensor, b: Tensor): number {
  const [left, right] = [toNumbers(a), toNumbers(b)];
  return left.reduce((worst, value, i) => {
    const other = right[i] as number;
    if (Object.is(value, other) || value === other) return worst;
    const error = Math.abs(other - value) / (1 + Math.abs(value));
    return Math.max(worst, Number.isNaN(error) ? Infinity : error);
  }, 0);
}

export function feedsFor(
  model: Model,
  { batch = 2, feeds = {} }: Pick<PassCase, "batch" | "feeds">,
): Record<string, Tensor> {
  const result: Record<string, Tensor> = {};
  for (const [index, input] of model.graph.inputs.entries()) {
    if (model.graph.initializers.has(input.name)) continue;
    const type = input.type;
    if (type?.kind !== "tensor") throw new Error(`input ${input.name} is no tensor`);
    const dims = (type.shape ?? []).map((dim) => (typeof dim === "number" ? dim : batch));
    const given = feeds[input.name];
    if (given === undefined && type.dtype !== "float32") throw new Error(`no feed for ${input.name}`);
    if (given !== undefined && elementCount(given.dims) !== elementCount(dims)) throw new Error("feed shape");
    result[input.name] = given ?? randomTensor(dims, 1000 + index);
  }
  return result;
}

function run(model: Model, feeds: Record<string, Tensor>): Promise<Record<string, Tensor>> {
  const runnable = { ...model, irVersion: Math.max(model.irVersion, 4) };
  return withSession(runnable, { optimization: "disabled", threads: 1 }, (session) => session.run(feeds));
}

function goldenPath(name: string): string {
  return new URL(`../golden/passes/${name}.txt`, import.meta.url).pathname;
}
