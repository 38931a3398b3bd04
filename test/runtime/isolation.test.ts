import { describe, expect, test } from "vitest";
import { UserError } from "../../src/errors.ts";
import { createValue } from "../../src/ir/graph.ts";
import { graphAttribute } from "../../src/ir/attributes.ts";
import type { Model } from "../../src/ir/model.ts";
import { isolateRuntime } from "../../src/runtime/isolation/isolate.ts";
import { openSession, withSession } from "../../src/runtime/open-model.ts";
import type { SessionOptions } from "../../src/runtime/session.ts";
import { floats, ints, scalar, type Tensor, tensorOf, tensorOfBytes } from "../../src/tensor/tensor.ts";
import { buildModel } from "../support/build-model.ts";

const double = buildModel({
  inputs: { x: ["N", 2] },
  outputs: ["y"],
  build: (emit) => void emit.op("Add", ["x", "x"], {}, { outputs: ["y"] }),
});

/** Doubles its input 2^62 times. */
function endlessLoop(): Model {
  return buildModel({
    inputs: { x: [1] },
    outputs: ["y"],
    build(emit) {
      const body = buildModel({
        inputs: { v: [1] },
        outputs: ["w"],
        build(inner) {
          inner.graph.inputs.unshift(createValue("i", "int64", []), createValue("go", "bool", []));
          inner.op("Identity", ["go"], {}, { outputs: ["on"] });
          inner.op("Add", ["v", "v"], {}, { outputs: ["w"] });
          inner.graph.outputs.unshift(createValue("on", "bool", []));
        },
      }).graph;
      const count = emit.constant(tensorOf("int64", [], BigInt64Array.of(2n ** 62n)), "count");
      const go = emit.constant(tensorOfBytes("bool", [], Uint8Array.of(1)), "start");
      emit.op("Loop", [count, go, "x"], { body: graphAttribute(body) }, { outputs: ["y"] });
    },
  });
}

/** Makes a tensor of 8 GB out of its input. */
const bomb = buildModel({
  inputs: { x: [1] },
  outputs: ["y"],
  build(emit) {
    const shape = emit.constant(ints([40_000, 50_000]), "shape");
    emit.op("ReduceSum", [emit.op("Expand", ["x", shape])], { keepdims: 0 }, { outputs: ["y"] });
  },
});

const run = (model: Model, feeds: Record<string, Tensor>, options: SessionOptions = {}): Promise<unknown> =>
  withSession(model, options, (session) => session.run(feeds));

const catchError = (action: () => Promise<unknown>): Promise<unknown> =>
  action().then(
    () => undefined,
    (error: unknown) => error,
  );

describe("ONNX Runtime in a process of its own", () => {
  test("gives what it gives in this process", async () => {
    const feeds = { x: floats([1, 2, 3, 4], [2, 2]) };
    const [there, here] = [await isolateRuntime(() => run(double, feeds)), await run(double, feeds)];
    expect(there).toEqual(here);
  });

  test("carries large tensors, strings and empty tensors", async () => {
    const model = buildModel({
      inputs: { e: [0, 3], b: ["float32", "M"] },
      outputs: ["t", "f", "c"],
      build(emit) {
        emit.graph.inputs.push(createValue("s", "string", ["N"]));
        emit.op("Identity", ["s"], {}, { outputs: ["t"] });
        emit.op("Identity", ["e"], {}, { outputs: ["f"] });
        emit.op("Neg", ["b"], {}, { outputs: ["c"] });
      },
    });
    const text = new TextEncoder().encode("é\u{1F600}");
    const feeds = {
      s: { dtype: "string", dims: [1], bytes: new Uint8Array(0), strings: [text] } as Tensor,
      e: floats([], [0, 3]),
      b: floats(Float32Array.from({ length: 1_000_003 }, (_, i) => i)),
    };
    const there = (await isolateRuntime(() => run(model, feeds))) as Record<string, Tensor>;
    const here = (await run(model, feeds)) as Record<string, Tensor>;
    expect(Buffer.compare(there["c"]?.bytes ?? new Uint8Array(0), here["c"]?.bytes ?? Uint8Array.of(0))).toBe(
      0,
    );
    expect({ ...there, c: there["c"]?.dims }).toEqual({ ...here, c: here["c"]?.dims });
  });

  test("errors of the runtime are those of this process", async () => {
    const broken = { ...double, opsets: new Map([["", 9999]]) };
    const there = await catchError(() => isolateRuntime(() => run(broken, {})));
    const here = await catchError(() => run(broken, {}));
    expect(there).toBeInstanceOf(UserError);
    expect({ ...(there as UserError), message: (there as Error).message }).toEqual({
      ...(here as UserError),
      message: (here as Error).message,
    });
  });

  test("a run that does not end is ended, and the next session works", async () => {
    await isolateRuntime(async () => {
      const error = await catchError(() =>
        run(endlessLoop(), { x: scalarVector(1) }, { limits: { seconds: 0.5 } }),
      );
      expect(error).toMatchObject({ code: "environment/runtime-time", kind: "environment" });
      expect(await run(double, { x: floats([1, 2], [1, 2]) })).toEqual({ y: floats([2, 4], [1, 2]) });
    });
  });

  test("a run that takes too much memory is ended", async () => {
    const error = await catchError(() =>
      isolateRuntime(() => run(bomb, { x: scalarVector(1) }, { limits: { memoryBytes: 5e8 } })),
    );
    expect(error).toMatchObject({ code: "environment/runtime-memory", kind: "environment" });
    expect((error as Error).message).toContain("0.5 GB");
  });

  test("what other calls took is not counted", async () => {
    const many = 60_000_000;
    const repeat = buildModel({
      inputs: { x: [1] },
      outputs: ["y"],
      build: (emit) => void emit.op("Expand", ["x", emit.constant(ints([many]))], {}, { outputs: ["y"] }),
    });
    await isolateRuntime(async () => {
      // Its 240 MB lie in the arena of the session, which stays open.
      const session = await openSession(repeat);
      const { y } = await session.run({ x: floats([1]) });
      expect(y?.dims).toEqual([many]);
      const little = { limits: { seconds: 60, memoryBytes: 1.5e8 } };
      await run(double, { x: floats([1, 2], [1, 2]) }, little);
      const error = await catchError(() => run(repeat, { x: floats([1]) }, little));
      expect(error).toMatchObject({ code: "environment/runtime-memory" });
    });
  });

  test("aborting is heard while the runtime computes", async () => {
    const controller = new AbortController();
    const start = performance.now();
    const error = await catchError(() =>
      isolateRuntime(async () => {
        const session = await openSession(endlessLoop());
        setTimeout(() => controller.abort(), 100);
        return session.run({ x: scalarVector(1) });
      }, controller.signal),
    );
    expect((error as Error).name).toBe("AbortError");
    expect(performance.now() - start).toBeLessThan(20_000);
  });
});

function scalarVector(value: number): Tensor {
  return { ...scalar(value), dims: [1] };
}
