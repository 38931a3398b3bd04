import { describe, expect, test } from "vitest";
import type { Emitter } from "../../src/ir/emit.ts";
import { createValue } from "../../src/ir/graph.ts";
import { chooseOutputs, classesOf } from "../../src/ir/judged-output.ts";
import type { Dim, Model } from "../../src/ir/model.ts";
import { findOutputKinds, type OutputFacts } from "../../src/ir/output-kinds.ts";
import type { DataType } from "../../src/tensor/data-type.ts";
import { floats, ints } from "../../src/tensor/tensor.ts";
import { buildModel } from "../support/build-model.ts";
import { catchUserError } from "../support/catch-error.ts";

type Outputs = Record<string, readonly [DataType, ...Dim[]]>;

function model(outputs: Outputs, build: (emit: Emitter) => void, opset = 17): Model {
  const built = buildModel({
    inputs: { x: ["N", 3, 8, 8], ids: ["int64", "N", 12] },
    outputs: Object.keys(outputs),
    opset,
    build,
  });
  built.graph.outputs = Object.entries(outputs).map(([name, [dtype, ...shape]]) =>
    createValue(name, dtype, shape),
  );
  return built;
}

const gemm = (emit: Emitter, width: number, name: string): string => {
  const weight = emit.constant(floats(new Float32Array(192 * width), [192, width]), "w");
  const x = emit.op("Flatten", ["x"], { axis: 1 });
  return emit.op("Gemm", [x, weight], {}, { outputs: [name] });
};

const kindOf = (built: Model): OutputFacts => findOutputKinds(built)[0] as OutputFacts;

describe("[samples, width]", () => {
  test.each<[string, number, OutputFacts["kind"]]>([
    ["y", 10, "logits"],
    ["y", 1000, "logits"],
    ["y", 384, "features"],
    ["y", 512, "features"],
    ["logits", 512, "logits"],
    ["image_embeds", 100, "features"],
    ["bbox", 4, "features"],
  ])("a product ends %s, %d wide: %s, as such outputs mostly are", (name, width, kind) => {
    const facts = kindOf(model({ [name]: ["float32", "N", width] }, (emit) => void gemm(emit, width, name)));
    expect(facts).toMatchObject({ kind, certain: false });
  });

  test.each<[string, (emit: Emitter, v: string) => string]>([
    ["LpNormalization", (emit, v) => emit.op("LpNormalization", [v])],
    [
      "x / max(|x|, eps), as PyTorch's normalize exports",
      (emit, v) => {
        const norm = emit.op("ReduceL2", [v], { axes: [1], keepdims: 1 });
        const clipped = emit.op("Clip", [norm, emit.constant(floats([1e-12], []), "eps")]);
        const shape = emit.op("Shape", [v]);
        return emit.op("Div", [v, emit.op("Expand", [clipped, shape])]);
      },
    ],
    [
      "x * 1 / sqrt(sum x²)",
      (emit, v) => {
        const sum = emit.op("ReduceSum", [emit.op("Mul", [v, v]), emit.constant(ints([1]), "axes")]);
        return emit.op("Mul", [v, emit.op("Reciprocal", [emit.op("Sqrt", [sum])])]);
      },
    ],
  ])("a vector divided by its norm is a feature, labels or not: %s", (_what, normalise) => {
    const built = model({ y: ["float32", "N", 10] }, (emit) => {
      emit.node("Identity", [normalise(emit, gemm(emit, 10, "v"))], { outputs: ["y"] });
    });
    expect(kindOf(built)).toMatchObject({ kind: "features", certain: true });
    const { judged } = chooseOutputs(built, { labels: true });
    expect(judged.kind).toBe("features");
    expect(classesOf(judged)).toBeUndefined();
  });

  test("a hand-made softmax is no norm", () => {
    const built = model({ y: ["float32", "N", 10] }, (emit) => {
      const powers = emit.op("Exp", [gemm(emit, 10, "v")]);
      const sum = emit.op("ReduceSum", [powers, emit.constant(ints([1]), "axes")]);
      emit.node("Div", [powers, sum], { outputs: ["y"] });
    });
    expect(kindOf(built).certain).toBe(false);
  });

  test("labels make class scores of it", () => {
    const built = model({ y: ["float32", "N", 384] }, (emit) => void gemm(emit, 384, "y"));
    const { judged } = chooseOutputs(built, { labels: true });
    expect(judged).toMatchObject({ kind: "logits", certain: true, classAxis: 1 });
    expect(classesOf(judged)).toBe(384);
  });
});

describe("class scores that the graph shows", () => {
  test.each<[number, Record<string, number>, number]>([
    [17, {}, 2],
    [17, { axis: 1 }, 1],
    [11, {}, 1],
  ])("a Softmax of opset %d with %j ends it", (opset, attributes, classAxis) => {
    const build = (emit: Emitter): void => {
      const cast = emit.op("Cast", ["ids"], { to: 1 });
      emit.node("Softmax", [emit.op("Unsqueeze", [cast], {})], { outputs: ["p"], attributes });
      emit.node("Identity", ["p"], { outputs: ["y"] });
    };
    const facts = kindOf(model({ y: ["float32", "N", 7, 12] }, build, opset));
    expect(facts).toMatchObject({ kind: "probabilities", certain: true, classAxis });
  });

  test("an ArgMax reads it, whose own output is of integers", () => {
    const built = model({ mask: ["uint8", "N", 8, 8], scores: ["float32", "N", 3, 8, 8] }, (emit) => {
      emit.node("Relu", ["x"], { outputs: ["scores"] });
      const best = emit.op("ArgMax", ["scores"], { axis: 1, keepdims: 0 });
      emit.node("Cast", [best], { outputs: ["mask"], attributes: { to: 2 } });
    });
    const { judged, others } = chooseOutputs(built);
    expect(judged).toMatchObject({ name: "scores", kind: "logits", certain: true, classAxis: 1 });
    expect(others).toMatchObject([{ name: "mask", kind: "integers" }]);
  });
});

test("what depends on no input is constant, and neither judged nor trained where there is another", () => {
  const built = model({ anchors: ["float32", 4], y: ["float32", "N", 3, 8, 8] }, (emit) => {
    emit.node("Identity", [emit.constant(floats([1, 2, 3, 4]), "a")], { outputs: ["anchors"] });
    emit.node("Relu", ["x"], { outputs: ["y"] });
  });
  expect(findOutputKinds(built).map(({ kind }) => kind)).toEqual(["constant", "map"]);
  expect(chooseOutputs(built).judged.name).toBe("y");
  expect(chooseOutputs(built, { output: "anchors" }).judged.kind).toBe("constant");
});

test("with labels the first output that may hold classes is judged, without the first of floats", () => {
  const built = model({ map: ["float32", "N", 3, 8, 8], y: ["float32", "N", 10] }, (emit) => {
    emit.node("Relu", ["x"], { outputs: ["map"] });
    gemm(emit, 10, "y");
  });
  expect(chooseOutputs(built).judged.name).toBe("map");
  expect(chooseOutputs(built, { labels: true }).judged.name).toBe("y");
});

test("an output that is not there is named with the choices; text is none", async () => {
  const built = model({ y: ["float32", "N", 10], words: ["string", "N"] }, (emit) => {
    gemm(emit, 10, "y");
  });
  const gone = await catchUserError(() => chooseOutputs(built, { output: "z" }));
  expect(gone).toMatchObject({ code: "usage/output", where: "--output", hint: "Choose one of: y." });
  const text = await catchUserError(() => chooseOutputs(built, { output: "words" }));
  expect(text.message).toMatch(/cannot be judged/);
});
