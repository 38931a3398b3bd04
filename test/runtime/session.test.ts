import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { InternalError } from "../../src/errors.ts";
import { encodeModel, loadModel } from "../../src/onnx/index.ts";
import { openSession, withSession } from "../../src/runtime/open-model.ts";
import {
  availableProviders,
  describeRuntimeError,
  providerFailure,
  runtimeVersion,
} from "../../src/runtime/providers.ts";
import { Session, type SessionOptions } from "../../src/runtime/session.ts";
import { floats, ints, scalar, tensorOf, tensorOfBytes } from "../../src/tensor/tensor.ts";
import type { Model } from "../../src/ir/model.ts";
import { buildModel } from "../support/build-model.ts";
import { randomTensor } from "../support/random-tensor.ts";

const out = { outputs: ["y"] };
const double = buildModel({
  inputs: { x: ["N", 2] },
  outputs: ["y"],
  build: (emit) => void emit.op("Add", ["x", "x"], {}, out),
});

let directory = "";
beforeAll(async () => void (directory = await mkdtemp(join(tmpdir(), "efqat-test-"))));
afterAll(() => rm(directory, { recursive: true, force: true }));

/** Quantize, dequantize, convolve with an integer weight, quantize, dequantize. */
function quantizedConv(): Model {
  return buildModel({
    inputs: { x: [1, 3, 4, 4] },
    outputs: ["y"],
    build(emit) {
      const scale = emit.constant(scalar(0.1), "scale");
      const zero = emit.constant(tensorOfBytes("uint8", [], Uint8Array.of(0)), "zero");
      const codes = emit.constant(
        tensorOfBytes("int8", [2, 3, 1, 1], Uint8Array.of(1, 2, 3, 4, 5, 6)),
        "codes",
      );
      const pair = (x: string, outputs: string[]): string =>
        emit.op(
          "DequantizeLinear",
          [emit.op("QuantizeLinear", [x, scale, zero]), scale, zero],
          {},
          { outputs },
        );
      const w = emit.op("DequantizeLinear", [codes, scale]);
      pair(emit.op("Conv", [pair("x", ["xq"]), w]), ["y"]);
    },
  });
}

async function optimizedOperators(options: SessionOptions): Promise<string[]> {
  const path = join(directory, "optimized.onnx");
  await withSession(quantizedConv(), { ...options, optimizedModelPath: path }, async () => undefined);
  const model = await loadModel(path);
  return model.graph.nodes.map((node) => node.opType);
}

describe("Session", () => {
  test("runs from a graph, from bytes and from a file", async () => {
    const path = join(directory, "double.onnx");
    await writeFile(path, encodeModel(double));
    for (const source of [double, encodeModel(double), path]) {
      const result = await withSession(source, {}, (session) => session.run({ x: floats([1, 2], [1, 2]) }));
      expect(result).toEqual({ y: floats([2, 4], [1, 2]) });
    }
  });

  test("tells the types of ports, with symbols, unknown dimensions and other kinds", async () => {
    const model = buildModel({
      inputs: { x: ["N", 2], k: ["int64", 2] },
      outputs: ["y", "s"],
      build(emit) {
        emit.op("Reshape", ["x", "k"], {}, out);
        emit.op("SequenceConstruct", ["x"], {}, { outputs: ["s"] });
      },
    });
    await withSession(model, { optimization: "disabled" }, async (session) => {
      expect(session.inputs).toEqual([
        { name: "x", tensor: true, dtype: "float32", shape: ["N", 2] },
        { name: "k", tensor: true, dtype: "int64", shape: [2] },
      ]);
      expect(session.outputs[0]).toEqual({ name: "y", tensor: true, dtype: "float32", shape: ["", ""] });
      expect(session.outputs[1]).toMatchObject({ name: "s", tensor: false });
    });
  });

  test("carries every element type that the binding knows, in and out", async () => {
    const tensors = {
      float32: floats([1.5]),
      float64: tensorOf("float64", [1], Float64Array.of(1.5)),
      float16: tensorOf("float16", [1], Uint16Array.of(0x3c00)),
      int8: tensorOf("int8", [1], Int8Array.of(-3)),
      uint8: tensorOf("uint8", [1], Uint8Array.of(200)),
      int16: tensorOf("int16", [1], Int16Array.of(-300)),
      uint16: tensorOf("uint16", [1], Uint16Array.of(40000)),
      int32: tensorOf("int32", [1], Int32Array.of(-70000)),
      uint32: tensorOf("uint32", [1], Uint32Array.of(4e9)),
      int64: ints([-(2 ** 40)]),
      uint64: tensorOf("uint64", [1], BigUint64Array.of(2n ** 63n)),
      bool: tensorOf("bool", [1], Uint8Array.of(1)),
    } as const;
    for (const [name, tensor] of Object.entries(tensors)) {
      const model = buildModel({
        inputs: { x: [name, "n"] },
        outputs: ["y"],
        opset: 21,
        build: (emit) => void emit.op("Identity", ["x"], {}, out),
      });
      expect(await withSession(model, {}, (session) => session.run({ x: tensor })), name).toEqual({
        y: tensor,
      });
    }
    const text = {
      dtype: "string",
      dims: [2],
      bytes: new Uint8Array(0),
      strings: ["a", "ü"].map((s) => new TextEncoder().encode(s)),
    } as const;
    const model = buildModel({
      inputs: { x: ["float32", 1] },
      outputs: ["y"],
      build: (emit) => void emit.op("Identity", ["s"], {}, out),
    });
    model.graph.initializers.set("s", text);
    expect((await withSession(model, {}, (session) => session.run({ x: floats([0]) })))["y"]).toEqual(text);
  });

  test("says so when asked for what the binding cannot carry", async () => {
    const packed = tensorOfBytes("int4", [3], Uint8Array.of(0x2f, 0x07));
    await expect(withSession(double, {}, (session) => session.run({ x: packed }))).rejects.toThrow(
      InternalError,
    );
  });

  test("fetches only what is asked for", async () => {
    await withSession(quantizedConv(), {}, async (session) => {
      expect(Object.keys(await session.run({ x: randomTensor([1, 3, 4, 4], 1) }, ["y"]))).toEqual(["y"]);
    });
  });
});

describe("options", () => {
  test("levels of optimization and config entries reach the runtime", async () => {
    expect(await optimizedOperators({ optimization: "extended" })).toContain("QLinearConv");
    const plain = ["QuantizeLinear", "DequantizeLinear", "Conv", "QuantizeLinear", "DequantizeLinear"];
    const off = { "session.disable_quant_qdq": "1" };
    expect(await optimizedOperators({ optimization: "extended", config: off })).toEqual(plain);
    expect(await optimizedOperators({ optimization: "disabled" })).toHaveLength(6);
  });

  test("results do not depend on threads or on the arena", async () => {
    const x = randomTensor([1, 3, 4, 4], 1);
    const run = (options: SessionOptions): Promise<unknown> =>
      withSession(quantizedConv(), options, (session) => session.run({ x }));
    const expected = await run({});
    expect(await run({ threads: 1 })).toEqual(expected);
    expect(await run({ threads: 2, arena: false })).toEqual(expected);
  });
});

describe("errors", () => {
  test("a file that is not a model, and one that is not there", async () => {
    const path = join(directory, "no.onnx");
    await expect(Session.create(path)).rejects.toMatchObject({ code: "model/runtime-load", where: path });
    await expect(Session.create(Buffer.from("hello"))).rejects.toMatchObject({ code: "model/runtime-load" });
  });

  test("wrong inputs", async () => {
    const session = await openSession(double);
    await expect(session.run({})).rejects.toMatchObject({ code: "model/runtime-run" });
    await expect(session.run({ x: ints([1, 2], [1, 2]) })).rejects.toThrow(/expected: \(tensor\(float\)\)/);
    await expect(session.run({ x: floats([1, 2, 3], [1, 3]) })).rejects.toMatchObject({
      code: "model/runtime-run",
    });
    await session.release();
  });

  test("a provider that the runtime does not have, and one that cannot start", async () => {
    expect(availableProviders()).toContain("cpu");
    await expect(openSession(double, { provider: "abacus" })).rejects.toMatchObject({
      code: "environment/provider",
      kind: "environment",
    });
    const failure = new Error("OrtSessionOptionsAppendExecutionProvider_Cuda: Failed to load shared library");
    expect(providerFailure("cuda", failure)?.hint).toContain("ONNXRUNTIME_NODE_INSTALL");
    expect(providerFailure("cpu", failure)).toBeUndefined();
    expect(
      providerFailure("cuda", new Error("Fatal error: Foo is not a registered function/op")),
    ).toBeUndefined();
  });

  test("messages are one line without source locations", () => {
    const text = "\n/onnxruntime_src/onnxruntime/core/x.cc:136 Something failed\nstack";
    expect(describeRuntimeError(new Error(text))).toBe("Something failed");
    expect(runtimeVersion()).toMatch(/^\d+\.\d+\.\d+/);
  });

  test("the session is released also when the work fails", async () => {
    let seen: Session | undefined;
    const work = withSession(double, {}, async (session) => {
      seen = session;
      throw new Error("work failed");
    });
    await expect(work).rejects.toThrow("work failed");
    await expect(seen?.run({ x: floats([1, 2], [1, 2]) })).rejects.toThrow();
  });
});
