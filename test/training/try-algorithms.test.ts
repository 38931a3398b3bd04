import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { knownAlgorithms } from "../../src/lowering/algorithms.ts";
import { cachedCosts, cachedAlgorithms, costKey } from "../../src/training/costs/cache.ts";
import { tryAlgorithms } from "../../src/training/costs/try-algorithms.ts";
import { tinyArtifact } from "./tiny-network.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "algorithms-"));
});
afterAll(async () => rm(folder, { recursive: true, force: true }));

test("trials answer every question of a network, and what is in the table is not tried again", async () => {
  const table = new Map<string, string>();
  await tinyArtifact({
    tune: async (abstract, target) => {
      const options = { ...target, ratio: 0.25, runs: Infinity, session: { threads: 1 } };
      await tryAlgorithms(abstract, table, options);
      const known = [...table];
      expect(known.length).toBeGreaterThan(3);
      await tryAlgorithms(abstract, table, { ...options, session: { provider: "none such" } });
      expect([...table]).toEqual(known);
      await expect(
        tryAlgorithms(abstract, new Map(), { ...options, session: { provider: "none such" } }),
      ).rejects.toThrow("none such");
      return {
        answer: (question) => {
          const algorithm = knownAlgorithms(table).answer(question);
          expect(question.algorithms).toContain(algorithm);
          return algorithm;
        },
      };
    },
  });
});

test("algorithms and costs come from the cache the second time; a broken file is measured again", async () => {
  const settings = { threads: 1 };
  const fill = (algorithm: string) =>
    cachedAlgorithms(folder, settings, new Map(), async (table) => void table.set("question", algorithm));
  await fill("first");
  const kept = await cachedAlgorithms(folder, settings, new Map([["other", "algorithm"]]), async (table) => {
    expect(table.get("question")).toBe("first");
    expect(table.get("other")).toBe("algorithm");
  });
  expect([...kept]).toEqual([
    ["question", "first"],
    ["other", "algorithm"],
  ]);

  const costs = (full: number) => ({
    forward: 1,
    full,
    positions: { p: 2 },
    weights: { w: { position: 1, reach: 2, fixed: 3, perRow: 4 } },
  });
  const key = costKey(Uint8Array.of(1, 2, 3), settings);
  expect(key).not.toBe(costKey(Uint8Array.of(1, 2, 4), settings));
  expect(await cachedCosts(folder, key, async () => costs(10))).toEqual(costs(10));
  expect(await cachedCosts(folder, key, async () => costs(20))).toEqual(costs(10));
  expect(await cachedCosts(null, key, async () => costs(20))).toEqual(costs(20));
  const [file] = (await readdir(folder)).filter((name) => name.startsWith("step-costs-"));
  await writeFile(join(folder, file!), "{");
  expect(await cachedCosts(folder, key, async () => costs(30))).toEqual(costs(30));
});
