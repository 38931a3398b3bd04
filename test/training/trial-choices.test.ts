import { describe, expect, test } from "vitest";
import type { Node } from "../../src/ir/model.ts";
import { gradientDomain, windowAttributes } from "../../src/ops/gradient-nodes.ts";
import { createNode } from "../../src/ir/graph.ts";
import type { Candidates } from "../../src/training/arithmetic/arithmetic.ts";
import { findClearWinner } from "../../src/training/costs/find-clear-winner.ts";
import { isWorthARace, isWorthATrial, probesFor } from "../../src/training/costs/trial-budget.ts";
import { tryAlgorithms } from "../../src/training/costs/try-algorithms.ts";
import { buildArtifact } from "../../src/training/artifact.ts";
import { quantizedNetwork } from "./network-artifact.ts";
import { tinyArtifact } from "./tiny-network.ts";

/** Something that takes these times in turn, the last one from then on. */
const taking = (...times: number[]) => {
  let run = 0;
  return async (): Promise<number> => times[Math.min(run++, times.length - 1)] as number;
};

/** Times of `ms` on a machine where most runs are disturbed, by a factor of up to ten; the same ones for a seed. */
function busy(ms: number, seed: number): () => Promise<number> {
  let state = seed;
  const random = (): number => (state = (state * 16807) % 2147483647) / 2147483647;
  return async () => ms * (random() < 0.4 ? 1 + 0.05 * random() : 1 + 9 * random());
}

describe("a clear winner", () => {
  test("is faster by half, and seen to be", async () => {
    expect(await findClearWinner([taking(10), taking(6)])).toBe(1);
    expect(await findClearWinner([taking(10), taking(7)])).toBe(0);
    expect(await findClearWinner([taking(10), taking(11), taking(5), taking(6)])).toBe(2);
    expect(await findClearWinner([taking(10)])).toBe(0);
  });

  test("is not one that was fast once", async () => {
    expect(await findClearWinner([taking(10), taking(10, 2, 10)])).toBe(0);
    expect(await findClearWinner([taking(10), taking(10, 2, 2, 2, 10)])).toBe(1);
  });

  test("does not come from a busy machine: what is as fast never wins, what is far faster always does", async () => {
    for (let seed = 1; seed <= 300; seed++) {
      expect(await findClearWinner([busy(10, seed), busy(10, seed + 7919)])).toBe(0);
      expect(await findClearWinner([busy(10, seed), busy(2, seed + 7919)])).toBe(1);
    }
  });

  test("what is hopeless runs once", async () => {
    let runs = 0;
    const slow = async (): Promise<number> => (runs++, 1000);
    expect(await findClearWinner([taking(10), slow, taking(2)])).toBe(2);
    expect(runs).toBe(1);
  });
});

const convolution = (size: number): Node =>
  createNode({
    name: "dw",
    opType: "ConvWeightGrad",
    domain: gradientDomain,
    inputs: ["x", "dy", "rows"],
    outputs: ["dw"],
    attributes: {
      ...windowAttributes({
        kernel: [3, 3],
        strides: [1, 1],
        dilations: [1, 1],
        padBegin: [1, 1],
        padEnd: [1, 1],
      }),
      x_shape: [32, 64, size, size],
      y_shape: [32, 64, size, size],
      group: 1,
    },
  });

test("trials are for training runs that are long against them", async () => {
  const worth = (runs: number, size = 56): boolean =>
    isWorthATrial(convolution(size), { runs, count: 1, variants: 4, ratio: 0.25 });
  expect([worth(10), worth(100_000)]).toEqual([false, true]);
  // A smaller layer has less to win, and has to run more often.
  const least = [7, 56].map((size) => [1e2, 1e3, 1e4, 1e5, 1e6].find((runs) => worth(runs, size)));
  expect(least[0]).toBeGreaterThan(least[1] as number);
  expect([isWorthARace(100, 3), isWorthARace(10_000, 3)]).toEqual([false, true]);
  expect([1, 40, 1000].map(probesFor)).toEqual([1, 2, 4]);
});

test("a short run tries nothing and takes no answers of longer ones, so that it is the same with and without a cache", async () => {
  await tinyArtifact({
    tune: async (abstract, target) => {
      const session = { provider: "none such" };
      const table = new Map<string, string>();
      const options = { ...target, ratio: 0.25, runs: 10, session };
      expect(await tryAlgorithms(abstract, table, options)).toEqual(new Map());
      table.set("some question", "some form");
      expect(await tryAlgorithms(abstract, table, options)).toEqual(new Map());
      return { answer: ({ guess }) => guess };
    },
  });
});

test.each([
  ["resnet20", "integer"],
  ["mobilenetv3", "float"],
] as const)("%s: by estimate the backward is in %s", async (network, backward) => {
  const quantized = await quantizedNetwork({ network, bits: "w8a8" });
  const asked = await buildArtifact({
    ...quantized,
    batch: 2,
    forward: ["integer", "float"],
    backward: ["integer", "float"],
    loss: { kind: "kl", hasLabels: false },
    source: { file: "model.onnx", sha256: "" },
    trials: {
      measure: async ({ graph }) => ({
        means: new Map(graph.outputs.map(({ name }) => [name, 1])),
        first: {},
      }),
    },
  });
  expect(asked.manifest).toMatchObject({ forward: "integer", backward, algorithmsByTrial: {} });
});

test("an integer backward whose gradients point elsewhere is not taken unless it is asked for", async () => {
  const quantized = await quantizedNetwork({ network: "resnet20", bits: "w8a8" });
  const backwardOf = async (backward: Candidates): Promise<string> => {
    const { manifest } = await buildArtifact({
      ...quantized,
      batch: 2,
      forward: ["integer"],
      backward,
      loss: { kind: "kl", hasLabels: false },
      source: { file: "model.onnx", sha256: "" },
      trials: {
        measure: async ({ graph }) => ({
          means: new Map(graph.outputs.map(({ name }) => [name, 1])),
          first: {},
        }),
        agrees: async () => false,
      },
    });
    return manifest.backward;
  };
  expect([await backwardOf(["integer", "float"]), await backwardOf(["integer"])]).toEqual([
    "float",
    "integer",
  ]);
});
