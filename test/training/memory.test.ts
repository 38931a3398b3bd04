import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Emitter } from "../../src/ir/emit.ts";
import type { Node } from "../../src/ir/model.ts";
import { zeroFeeds } from "../../src/passes/probe-model.ts";
import { subgraphsOf } from "../../src/ir/attributes.ts";
import { withSession } from "../../src/runtime/open-model.ts";
import { peakMemory } from "../../src/runtime/peak-memory.ts";
import { Arena } from "../../src/training/memory/arena.ts";
import { estimateMemory, type MemoryEstimate } from "../../src/training/memory/estimate-memory.ts";
import { executedGraph } from "../../src/training/memory/executed-graph.ts";
import type { FreezingOptions } from "../../src/training/freezing/refresh.ts";
import { divisorsOf, fitMicroBatch } from "../../src/training/memory/fit-micro-batch.ts";
import { planBuffers } from "../../src/training/memory/plan-buffers.ts";
import { sessionOptions } from "../../src/training/sessions/graphs.ts";
import { buildModel } from "../support/build-model.ts";
import { tinyArtifact } from "./tiny-network.ts";

/** What each node takes and returns, of a graph that is run as it stands. */
async function buffersOf(build: (emit: Emitter) => void, outputs: string[]): Promise<string[]> {
  const model = buildModel({ inputs: { x: [4, 8] }, outputs, build });
  const executed = await executedGraph(model, new Map(), { optimization: "disabled" });
  return planBuffers(executed).map(
    ({ node, takes, returns }) =>
      `${node.outputs[0] ?? ""}: +${takes.map(({ buffer, bytes }) => `${buffer} ${bytes}`).join()} -${returns.join()}`,
  );
}

describe("the plan of buffers", () => {
  test("works in place where nobody else reads, never on inputs; views cost nothing; outputs get their own", async () => {
    const steps = await buffersOf(
      (emit) => {
        emit.op("Exp", ["x"], {}, { outputs: ["a"] });
        emit.op("Abs", ["a"], {}, { outputs: ["b"] });
        emit.op("Flatten", ["b"], { axis: 0 }, { outputs: ["c"] });
        emit.op("Neg", ["c"], {}, { outputs: ["d"] });
      },
      ["d"],
    );
    expect(steps).toEqual(["a: +a 128 -", "b: + -", "c: + -", "d: +d 128 -a"]);
  });

  test("a value that is read again keeps its buffer; one of its shape that is idle is used again", async () => {
    const steps = await buffersOf(
      (emit) => {
        emit.op("Exp", ["x"], {}, { outputs: ["a"] });
        emit.op("Neg", ["a"], {}, { outputs: ["b"] });
        emit.op("Add", ["a", "b"], {}, { outputs: ["c"] });
        emit.op("Transpose", ["c"], { perm: [1, 0] }, { outputs: ["t"] });
        emit.op("Not", [emit.op("Greater", ["x", "x"], {}, { outputs: ["m"] })], {}, { outputs: ["n"] });
        emit.op("Where", ["n", "x", "x"], {}, { outputs: ["w"] });
        emit.op("Transpose", ["t"], { perm: [1, 0] }, { outputs: ["u"] });
        emit.op("Add", ["u", "w"], {}, { outputs: ["y"] });
      },
      ["y"],
    );
    // c lies in a's buffer, w and u in those of a and b, which are idle once c was turned.
    expect(steps).toEqual([
      ...["a: +a 128 -", "b: +b 128 -", "c: + -", "t: +t 128 -", "m: +m 32 -", "n: +n 32 -m", "w: + -n"],
      ...["u: + -t", "y: +y 128 -a,b"],
    ]);
  });
});

test("the arena takes the smallest free piece, joins neighbours, and counts what was touched", () => {
  const arena = new Arena();
  arena.take("a", 1000);
  expect(arena.resident).toBe(1024);
  arena.take("b", 500_000);
  arena.take("c", 300_000);
  arena.giveBack("b");
  arena.take("d", 200_000);
  expect(arena.resident).toBe(1024 + 500_224 + 300_032);
  arena.giveBack("d");
  arena.giveBack("c");
  arena.take("e", 1_000_000);
  expect(arena.resident).toBe(1024 + 1_000_192);
  arena.take("f", 3_000_000);
  expect(arena.resident).toBe(1024 + 1_000_192 + 3_000_064);
});

test.each(["float", "integer"] as const)(
  "nodes and sizes are those that ONNX Runtime runs, %s forward",
  async (forward) => {
    const { manifest, checkpoint, trainingModel } = await tinyArtifact({ forward });
    const options = sessionOptions(manifest, { provider: null, threads: 1, arena: true });
    const shapes = new Map(Array.from(checkpoint, ([name, { dims }]) => [name, dims]));
    const { graph, extents } = await executedGraph(trainingModel, shapes, options);
    const folder = await mkdtemp(join(tmpdir(), "memory-"));
    const profilePrefix = join(folder, "run");
    await withSession(trainingModel, { ...options, profilePrefix }, async (session) => {
      const fed = trainingModel.graph.inputs.map(({ name }) => [name, checkpoint.get(name)] as const);
      const zeros = zeroFeeds(trainingModel.graph.inputs);
      await session.run(
        Object.fromEntries(fed.map(([name, tensor]) => [name, tensor ?? zeros[name]])) as never,
      );
      session.endProfile();
    });
    const text = await readFile(join(folder, (await readdir(folder))[0] as string), "utf8");
    await rm(folder, { recursive: true });
    const events = JSON.parse(text) as { cat: string; name: string; args?: { output_size?: string } }[];
    // The profile also lists what runs inside branches and loops, round by round.
    const within = (nodes: readonly Node[]): Node[] =>
      nodes.flatMap(subgraphsOf).flatMap((body) => [...body.nodes, ...within(body.nodes)]);
    const inside = new Set(within(graph.nodes).map(({ name }) => name));
    expect(inside.size).toBeGreaterThan(0);
    const ran = events
      .filter(({ cat, name }) => cat === "Node" && name.endsWith("_kernel_time"))
      .map(({ name, args }) => [name.replace(/_kernel_time$/, ""), Number(args?.output_size)] as const)
      .filter(([name]) => !inside.has(name));
    const planned = graph.nodes.map(({ name, outputs }) => [
      name,
      outputs.reduce((sum, output) => sum + (extents.get(output)?.bytes ?? 0), 0),
    ]);
    expect(planned.map(([name]) => name)).toEqual(ran.map(([name]) => name));
    // Which branch is taken and how many rounds a loop takes, and so the size of what they give, is not known before.
    const looped = new Set<string>();
    for (const { opType, name, inputs, outputs } of graph.nodes)
      if (opType === "Loop" || opType === "If" || inputs.some((input) => looped.has(input)))
        for (const value of [name, ...outputs]) looped.add(value);
    const known = ([name]: readonly unknown[]): boolean => !looped.has(name as string);
    expect(planned.filter(known)).toEqual(ran.filter(known));
    expect(looped.size).toBeLessThan(0.1 * planned.length);
  },
);

test("the estimate is the sum of its parts, and a micro-batch lowers it", async () => {
  const whole = await estimateMemory(await tinyArtifact({ batch: 512 }));
  const parts = await estimateMemory(await tinyArtifact({ batch: 512, microBatch: 64 }));
  expect(whole.parts.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(whole.bytes);
  const graphOf = ({ parts: all }: MemoryEstimate): number =>
    all.find(({ part }) => part === "training graph")?.bytes ?? 0;
  expect(graphOf(parts)).toBeGreaterThan(graphOf(whole) / 16);
  expect(graphOf(parts)).toBeLessThan(graphOf(whole) / 4);
  expect(peakMemory()).toBeGreaterThan(5e7);
});

test("the mode cost keeps less for the backward, and by fisher chooses rows with the whole graph before that", async () => {
  const partsOf = async (freezing: Partial<FreezingOptions>): Promise<Map<string, number>> => {
    const { parts } = await estimateMemory(await tinyArtifact({ batch: 512, freezing }));
    return new Map(parts.map(({ part, bytes }) => [part, bytes]));
  };
  const whole = await partsOf({ mode: "cwpn", importance: "fisher" });
  const cut = await partsOf({ mode: "cost", importance: "magnitude", budget: 0.3 });
  const beside = await partsOf({ mode: "cost", importance: "fisher", budget: 0.3 });
  expect(whole.get("choice of rows")).toBe(0);
  expect(cut.get("choice of rows")).toBe(0);
  expect(cut.get("training graph")).toBeLessThan(whole.get("training graph")!);
  expect(beside.get("training graph")).toBe(cut.get("training graph"));
  expect(beside.get("choice of rows")).toBeGreaterThan(0);
  // While rows are chosen, the whole graph is there in place of the cut one.
  const sessions = ["training graph", "sessions", "weights in sessions", "choice of rows"];
  const bytesOf = (parts: ReadonlyMap<string, number>): number =>
    sessions.reduce((sum, part) => sum + (parts.get(part) ?? NaN), 0);
  expect(bytesOf(beside) / bytesOf(whole)).toBeCloseTo(1, 6);
});

test("input energies take a session of their own beside the training session", async () => {
  const choosing = async (importance: FreezingOptions["importance"]): Promise<number> => {
    const { parts } = await estimateMemory(
      await tinyArtifact({ batch: 512, freezing: { mode: "cwpn", importance } }),
    );
    return parts.find(({ part }) => part === "choice of rows")?.bytes ?? NaN;
  };
  expect(await choosing("magnitude")).toBe(0);
  expect(await choosing("error-energy")).toBeGreaterThan(0);
});

describe("the micro-batch for a limit", () => {
  const built: number[] = [];
  const fit = async (batch: number, limit: number): Promise<number> => {
    built.length = 0;
    const build = (microBatch: number) => {
      built.push(microBatch);
      const bytes = 1e8 + 2e6 * microBatch + 1e5 * (microBatch % 3);
      return Promise.resolve({ microBatch, estimate: { bytes, parts: [] } });
    };
    return (await fitMicroBatch(divisorsOf(batch), { bytes: limit, asked: true }, build)).microBatch;
  };

  test.each([
    [64, 1e9, 64],
    [64, 1.7e8, 32],
    [64, 1.04e8, 1],
    [96, 2e8, 48],
    [7, 1.1e8, 1],
  ])("batch %d, limit %d bytes: %d", async (batch, limit, expected) => {
    expect(await fit(batch, limit)).toBe(expected);
    expect(built.length).toBeLessThanOrEqual(4);
  });

  test("none fits: the error names the smallest estimate", async () => {
    await expect(fit(64, 9e7)).rejects.toMatchObject({
      code: "usage/memory-limit",
      where: "--memory-limit",
      message: expect.stringMatching(/at least an estimated 103 MB.*limit is 90 MB/) as string,
    });
    expect(built).toEqual([64, 1]);
  });
});
