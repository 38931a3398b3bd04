import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { ModelInput } from "../../src/data/model-input.ts";
import { openDataset } from "../../src/data/open-dataset.ts";
import { floats, type Tensor, toNumbers } from "../../src/tensor/tensor.ts";
import { catchUserError } from "../support/catch-error.ts";
import { writeNpz } from "../support/write-numpy.ts";

const folder = mkdtempSync(join(tmpdir(), "efqat-align-"));
afterAll(() => rmSync(folder, { recursive: true }));

const inputs: ModelInput[] = [
  { name: "x", dtype: "float32", shape: ["batch", 1] },
  { name: "state", dtype: "float32", shape: [2, "batch", 2], batchAxis: 1 },
  { name: "start", dtype: "float32", shape: [2, 1], batchAxis: -1 },
];
const x = floats([0, 1, 2], [3, 1]);
const counting = (...dims: number[]): Tensor =>
  floats(
    Array.from({ length: dims.reduce((a, b) => a * b) }, (_, index) => index),
    dims,
  );

async function write(name: string, arrays: Record<string, Tensor>): Promise<string> {
  const path = join(folder, `${name}.npz`);
  await writeNpz(path, arrays);
  return path;
}

test("samples may lie along the input's own batch axis, and one value of an input without a batch is everyone's", async () => {
  const path = await write("own", { x, state: counting(2, 3, 2), start: floats([7, 8], [2, 1]) });
  const dataset = await openDataset({ path }, inputs);
  expect([dataset.length, dataset.samplesPerRun]).toEqual([3, undefined]);
  const batch = await dataset.read([2, 0]);
  const read = (name: string): [readonly number[], number[]] => {
    const tensor = batch.inputs[name] as Tensor;
    return [tensor.dims, [...toNumbers(tensor)]];
  };
  expect(read("x")).toEqual([
    [2, 1],
    [2, 0],
  ]);
  expect(read("state")).toEqual([
    [2, 2, 2],
    [4, 5, 0, 1, 10, 11, 6, 7],
  ]);
  expect(read("start")).toEqual([
    [2, 1],
    [7, 8],
  ]);
});

test("samples first is what is taken where both fit", async () => {
  const path = await write("both", {
    x: floats([0, 1], [2, 1]),
    state: counting(2, 2, 2),
    start: counting(2, 2, 1),
  });
  const { inputs: read } = await (await openDataset({ path }, inputs)).read([1]);
  expect([...toNumbers(read["state"] as Tensor)]).toEqual([4, 5, 6, 7]);
});

test("an array of another number of samples is refused", async () => {
  const path = await write("other", { x, state: counting(2, 4, 2), start: counting(2, 1) });
  const error = await catchUserError(() => openDataset({ path }, inputs));
  expect(error.message).toMatch(/\[2, 4, 2\] where input "state" takes \[2, batch, 2\]/);
});
