import { describe, expect, test } from "vitest";
import { loadModel } from "../../src/onnx/index.ts";
import { chooseRecipe, optionsOf, recipeNames } from "../../src/recipes/choose-recipe.ts";
import { intList } from "../../src/ir/attributes.ts";
import type { Emitter } from "../../src/ir/emit.ts";
import type { Dim, Model } from "../../src/ir/model.ts";
import { ints } from "../../src/tensor/tensor.ts";
import { randomTensor } from "../support/random-tensor.ts";
import { buildModel } from "../support/build-model.ts";

describe("the kind of a network is told by its graph", () => {
  test.each([
    ["resnet20/model", "classifier"],
    ["mobilenetv3/model", "classifier"],
    ["architectures/vit", "classifier"],
    ["architectures/swin", "classifier"],
    ["architectures/bert-script", "encoder"],
    ["architectures/unet-bilinear", "segmenter"],
    ["architectures/super-resolution-script", "image-to-image"],
  ])("%s: %s", async (name, family) => {
    const { name: found, because } = chooseRecipe(await loadModel(`fixtures/${name}.onnx`));
    expect(found).toBe(family);
    expect(because).not.toBe("");
  });

  const built = (
    inputs: Parameters<typeof buildModel>[0]["inputs"],
    output: number[],
    names = ["y"],
  ): Model => {
    const model = buildModel({
      inputs,
      outputs: names,
      build: (emit) => {
        for (const name of names) emit.op("Identity", [emit.graph.inputs[0]!.name], {}, { outputs: [name] });
      },
    });
    for (const value of model.graph.outputs)
      value.type = { kind: "tensor", dtype: "float32", shape: ["N", ...output] };
    return model;
  };

  test.each<[string, Model, string]>([
    ["tokens to words", built({ input_ids: ["int64", "N", "T"] }, [16, 30000]), "decoder"],
    ["tokens to a vector", built({ input_ids: ["int64", "N", "T"] }, [384]), "encoder"],
    [
      "tokens and a cache",
      built({ ids: ["int64", "N", "T"], "past_key_values.0.key": ["N", 4, "P", 8] }, [1, 99]),
      "decoder",
    ],
    ["a line of text", built({ x: ["N", 3, 48, "W"] }, [40, 97]), "ocr"],
    ["boxes of many places", built({ images: ["N", 3, 640, 640] }, [84, 8400]), "detector"],
    ["boxes and scores", built({ x: ["N", 3, 320, 320] }, [100, 4], ["boxes", "scores"]), "detector"],
    ["sound", built({ audio_signal: ["N", 80, "T"] }, [20, 30]), "audio"],
    ["a long row of features", built({ x: ["N", 4096] }, [1, 1]), "other"],
    ["a sampling rate", built({ x: ["N", 512], sr: ["int64"] }, [1]), "audio"],
    ["anything", built({ x: ["N", 4] }, [3, 5]), "other"],
  ])("%s: %s", (_, model, family) => {
    expect(chooseRecipe(model).name).toBe(family);
  });
});

describe("outputs that are declared without dimensions", () => {
  /** An image goes in; what `build` makes of it comes out. */
  const undeclared = (width: Dim, build: (emit: Emitter) => void): Model => {
    const model = buildModel({ inputs: { x: ["N", 3, 48, width] }, outputs: ["y"], build });
    for (const value of model.graph.outputs) value.type = { kind: "tensor", dtype: "float32", shape: [] };
    return model;
  };
  const last = { outputs: ["y"] };

  test("a convolution makes a map", () => {
    const model = undeclared("W", (emit) => {
      const weight = emit.constant(randomTensor([3, 1, 2, 2], 1));
      emit.op("Sigmoid", [emit.op("ConvTranspose", ["x", weight], { strides: intList([2, 2]) })], {}, last);
    });
    expect(chooseRecipe(model)).toMatchObject({ name: "segmenter", recipe: { loss: "bce" } });
  });

  test.each<[Dim, string]>([
    ["W", "ocr"],
    [48, "classifier"],
  ])("class scores of an image of width %s: %s", (width, family) => {
    const model = undeclared(width, (emit) => {
      const scores = emit.op("MatMul", [emit.op("Squeeze", ["x"]), emit.constant(randomTensor([48, 97], 1))]);
      emit.op("Softmax", [scores], {}, last);
    });
    expect(chooseRecipe(model).name).toBe(family);
  });
});

test("a network that convolves a long signal is one for audio", () => {
  const model = buildModel({
    inputs: { x: ["N", 43844, 1] },
    outputs: ["y"],
    build(emit) {
      const signal = emit.op("Unsqueeze", ["x", emit.constant(ints([3]))]);
      emit.op("Conv", [signal, emit.constant(randomTensor([4, 43844, 1, 1], 1))], {}, { outputs: ["y"] });
    },
  });
  expect(chooseRecipe(model)).toMatchObject({ name: "audio", because: 'its input "x" is a long signal' });
});

test("a detector's decoding stays in float, what has weights does not", () => {
  const model = buildModel({
    inputs: { x: ["N", 3, 32, 32] },
    outputs: ["boxes"],
    build(emit) {
      const map = emit.op("Conv", ["x", emit.constant(randomTensor([8, 3, 3, 3], 1))], {}, { name: "head" });
      const scores = emit.op("Sigmoid", [map], {}, { name: "scores" });
      const shape = emit.op("Shape", [scores], {}, { name: "sizes" });
      const same = emit.op("Concat", [shape], { axis: 0 }, { name: "same" });
      const shaped = emit.op("Reshape", [scores, same], {}, { name: "shaped" });
      emit.op("Mul", [shaped, scores], {}, { name: "decode", outputs: ["boxes"] });
    },
  });
  const chosen = chooseRecipe(model);
  expect(chosen.excludeNodes).toEqual(["scores", "decode"]);
  expect(optionsOf(chosen).quantize).toMatchObject({ "exclude-nodes": "scores,decode", batch: "8" });
  expect(optionsOf(chooseRecipe(model, "classifier")).quantize).toEqual({ batch: "64" });
});

test("recipes have names, and others are refused", async () => {
  const model = await loadModel("fixtures/resnet20/model.onnx");
  for (const name of recipeNames) expect(chooseRecipe(model, name).recipe.batch).toBeGreaterThan(0);
  expect(() => chooseRecipe(model, "clasifier")).toThrow(/no recipe "clasifier"/);
});
