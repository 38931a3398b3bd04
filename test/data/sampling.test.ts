import { describe, expect, test } from "vitest";
import { batches } from "../../src/data/batches.ts";
import type { Dataset } from "../../src/data/dataset.ts";
import { openDataset } from "../../src/data/open-dataset.ts";
import { shuffledIndices } from "../../src/data/random.ts";
import { parseDataSpec } from "../../src/data/spec.ts";
import { limitSamples, splitDataset } from "../../src/data/subset.ts";
import { floats, toNumbers, viewAs } from "../../src/tensor/tensor.ts";

const counting = (length: number, seen: number[][] = []): Dataset => ({
  name: "numbers",
  length,
  hasLabels: false,
  read: async (indices) => {
    seen.push(Array.from(indices));
    return { size: indices.length, inputs: { x: floats(Array.from(indices)) } };
  },
  describe: () => ({}),
});
const valuesOf = async (dataset: Dataset): Promise<number[]> =>
  toNumbers((await dataset.read([...Array(dataset.length).keys()])).inputs["x"] as never);

describe("splitDataset", () => {
  test.each([
    [0.25, 25],
    [7, 7],
    [0, 0],
  ])("--val %s holds %i of 100 out, disjoint, by the seed alone", async (val, count) => {
    const { train, validation } = splitDataset(counting(100), { val, seed: 3 });
    const kept = await valuesOf(train);
    const held = await valuesOf(validation);
    expect(held).toHaveLength(count);
    expect([...kept, ...held].sort((a, b) => a - b)).toEqual([...Array(100).keys()]);
    expect(await valuesOf(splitDataset(counting(100), { val, seed: 3 }).validation)).toEqual(held);
    if (count > 0) {
      expect(await valuesOf(splitDataset(counting(100), { val, seed: 4 }).validation)).not.toEqual(held);
    }
  });

  test("refuses to hold everything out, and senseless values", () => {
    expect(() => splitDataset(counting(5), { val: 5, seed: 0 })).toThrow(/hold out 5 of 5/);
    for (const val of [-1, 1.5, NaN])
      expect(() => splitDataset(counting(5), { val, seed: 0 })).toThrow(/--val|fraction/);
  });
});

test("limitSamples draws the same samples each time, in order, from every class of periodic data", async () => {
  const drawn = await valuesOf(limitSamples(counting(480), 64));
  expect(drawn).toEqual([...new Set(drawn)].sort((a, b) => a - b));
  expect(drawn).toHaveLength(64);
  expect(await valuesOf(limitSamples(counting(480), 64))).toEqual(drawn);
  for (const kind of [0, 1, 2])
    expect(drawn.filter((value) => value % 3 === kind).length).toBeGreaterThan(10);
  expect(Math.max(...drawn)).toBeGreaterThan(440);
  const all = counting(3);
  expect(limitSamples(all, 9)).toBe(all);
});

test("batches reads one ahead, in order, with and without the short last one", async () => {
  const seen: number[][] = [];
  const sizes: number[] = [];
  for await (const batch of batches(counting(10, seen), { batch: 4 })) {
    sizes.push(batch.size);
    if (sizes.length === 1) expect(seen).toHaveLength(2);
  }
  expect(sizes).toEqual([4, 4, 2]);
  const short: number[][] = [];
  const order = [9, 1, 8, 2, 7];
  for await (const _ of batches(counting(10, short), { batch: 2, indices: order, dropLast: true }));
  expect(short).toEqual([
    [9, 1],
    [8, 2],
  ]);
});

test("an error while reading ahead reaches the consumer at that batch", async () => {
  const failing: Dataset = {
    ...counting(10),
    read: async (indices) => {
      if (Number(indices[0]) >= 4) throw new Error("disk");
      return { size: indices.length, inputs: {} };
    },
  };
  let read = 0;
  const consume = async (): Promise<void> => {
    for await (const _ of batches(failing, { batch: 2 })) read++;
  };
  await expect(consume()).rejects.toThrow("disk");
  expect(read).toBe(2);
});

test("shuffledIndices is a permutation by the seed", () => {
  const order = shuffledIndices(1000, 5);
  expect([...order].sort((a, b) => a - b)).toEqual([...Array(1000).keys()]);
  expect(shuffledIndices(1000, 5)).toEqual(order);
  const fixed = order.filter((value, index) => value === index).length;
  expect(fixed).toBeLessThan(10);
});

test("augmentation flips and shifts deterministically and fills with black", async () => {
  const dataset = await openDataset(
    { path: "fixtures/fashion-mnist", split: "test", mean: [0.5], std: [0.5] },
    [{ name: "x", dtype: "float32", shape: ["n", 1, 28, 28] }],
  );
  const indices = [0, 0, 0, 0, 0, 0, 0, 0];
  const plain = viewAs((await dataset.read([0])).inputs["x"] as never, "float32");
  const augmented = async (seed: number): Promise<Float32Array> =>
    viewAs(
      (await dataset.read(indices, { augment: { flip: true, crop: 2, seed } })).inputs["x"] as never,
      "float32",
    );
  const first = await augmented(1);
  expect(await augmented(1)).toEqual(first);
  expect(await augmented(2)).not.toEqual(first);
  const at = (image: ArrayLike<number>, y: number, x: number): number =>
    y < 0 || y > 27 || x < 0 || x > 27 ? -1 : (image[y * 28 + x] as number);
  const moves: string[] = [];
  for (let sample = 0; sample < indices.length; sample++) {
    const image = first.subarray(sample * 784, (sample + 1) * 784);
    for (const flip of [false, true])
      for (let top = -2; top <= 2; top++)
        for (let left = -2; left <= 2; left++) {
          const same = image.every((value, index) => {
            const x = (index % 28) + left;
            const outside = x < 0 || x > 27;
            return value === at(plain, Math.floor(index / 28) + top, outside ? -1 : flip ? 27 - x : x);
          });
          if (same) moves.push(`${flip} ${top} ${left}`);
        }
  }
  expect(moves).toHaveLength(indices.length);
  expect(new Set(moves).size).toBeGreaterThan(4);
});

test("parseDataSpec names the wrong field", () => {
  expect(parseDataSpec({ path: "a", mean: [0.5] })).toEqual({ path: "a", mean: [0.5] });
  expect(() => parseDataSpec({ path: "a", std: [0] })).toThrow(/"std.0"/);
  expect(() => parseDataSpec({ path: "a", sigma: 1 })).toThrow(/sigma/);
});
