import { expect, test } from "vitest";
import { encodeModel } from "../../src/onnx/index.ts";
import { channelDot } from "../../src/lowering/channel-sums.ts";
import { chooseDotAlgorithm } from "../../src/lowering/choose.ts";
import { GradientBuilder } from "../../src/lowering/gradient-builder.ts";
import { Session } from "../../src/runtime/session.ts";
import { type Tensor, viewAs } from "../../src/tensor/tensor.ts";
import { buildModel } from "../support/build-model.ts";
import { randomTensor } from "../support/random-tensor.ts";

test.each([
  { shape: [2, 8, 362, 363], algorithm: "convolution" },
  { shape: [2, 4, 262147], algorithm: "convolution" },
  { shape: [2, 8, 7, 5], algorithm: "product" },
  { shape: [64, 33000], algorithm: "product" },
])("sums of products by channel over $shape, as a $algorithm", async ({ shape, algorithm }) => {
  expect(chooseDotAlgorithm(shape)).toBe(algorithm);
  const model = buildModel({
    inputs: { a: shape, b: shape },
    outputs: ["dot"],
    build(emit) {
      const dot = channelDot(new GradientBuilder(emit), "a", "b", shape);
      emit.op("Identity", [dot], {}, { outputs: ["dot"] });
    },
  });
  const [a, b] = [randomTensor(shape, 1), randomTensor(shape, 2)];
  const session = await Session.create(encodeModel(model), { threads: 1 });
  const result = viewAs((await session.run({ a, b }))["dot"] as Tensor, "float32");
  await session.release();
  const [images = 1, channels = 1, ...spatial] = shape;
  const map = spatial.reduce((left, right) => left * right, 1);
  const [left, right] = [viewAs(a, "float32"), viewAs(b, "float32")];
  const expected = new Float64Array(channels);
  for (let i = 0; i < images * channels * map; i++)
    expected[Math.floor(i / map) % channels]! += (left[i] as number) * (right[i] as number);
  for (const [channel, value] of expected.entries())
    expect(Math.abs((result[channel] ?? NaN) - value)).toBeLessThan(1e-6 * images * map);
});
