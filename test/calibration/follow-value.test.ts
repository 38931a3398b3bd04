import { describe, expect, test } from "vitest";
import { calibrate } from "../../src/calibration/calibrate.ts";
import { followValue, type LayerPath } from "../../src/calibration/observers/follow-value.ts";
import type { Emitter } from "../../src/ir/emit.ts";
import { indexGraph } from "../../src/ir/graph.ts";
import type { Model } from "../../src/ir/model.ts";
import { prepareModel } from "../../src/passes/prepare.ts";
import { floats, scalar, viewAs } from "../../src/tensor/tensor.ts";
import { buildModel } from "../support/build-model.ts";
import { tensorDataset } from "../support/quantize-case.ts";
import { randomTensor } from "../support/random-tensor.ts";

const channels = 8;

/** `between` the value "v" and a depthwise convolution, whose kernel makes all channels count alike where `loud` is 100. */
function network(between: (emit: Emitter, v: string) => string, loud = 1): Model {
  return buildModel({
    inputs: { x: ["n", channels, 6, 6] },
    outputs: ["y"],
    build(emit) {
      const loudness = Array.from({ length: channels }, (_, c) => (c === 5 ? loud : 1));
      const gain = emit.constant(floats(loudness, [1, channels, 1, 1]), "gain");
      emit.op("Mul", ["x", gain], {}, { outputs: ["v"] });
      const kernel = viewAs(randomTensor([channels, 1, 3, 3], 9, -0.5, 0.5), "float32");
      const weight = floats(
        kernel.map((w, i) => w / (loudness[Math.floor(i / 9)] as number)),
        [channels, 1, 3, 3],
      );
      const attributes = { group: channels, pads: [1, 1, 1, 1] };
      const inputs = [between(emit, "v"), emit.constant(weight, "w")];
      emit.op("Conv", inputs, attributes, { name: "layer", outputs: ["y"] });
    },
  });
}

const pathFrom = ({ graph }: Model): LayerPath | undefined =>
  followValue("v", graph, indexGraph(graph), ({ name }, input) => name === "layer" && input !== "w");

const scaled = (emit: Emitter, x: string): string => emit.op("Mul", [x, emit.constant(scalar(0.7))]);

describe("the way from a value to its layer", () => {
  test.each<[string, (emit: Emitter, v: string) => string, string[] | undefined]>([
    ["at once", (_emit, v) => v, ["Conv"]],
    [
      "an activation and a scale",
      (emit, v) => scaled(emit, emit.op("HardSwish", [v])),
      ["HardSwish", "Mul", "Conv"],
    ],
    ["x * sigmoid(x)", (emit, v) => emit.op("Mul", [v, emit.op("Sigmoid", [v])]), ["Sigmoid", "Mul", "Conv"]],
    ["a sum with another value", (emit, v) => emit.op("Add", [v, "x"]), undefined],
    [
      "a pool, which is not element by element",
      (emit, v) => emit.op("ReduceMean", [v], { axes: [2, 3] }),
      undefined,
    ],
    [
      "another reader",
      (emit, v) => {
        emit.op("ReduceSum", [v]);
        return scaled(emit, v);
      },
      undefined,
    ],
  ])("%s", (_name, between, expected) => {
    expect(pathFrom(network(between))?.map(({ opType }) => opType)).toEqual(expected);
  });
});

describe("codes of one loud channel, in front of an activation, leave the layer behind it nothing", () => {
  test.each([
    [1, undefined],
    [400, "layer"],
  ])("%d times as loud", async (loud, reader) => {
    const model = await prepareModel(network((emit, v) => scaled(emit, emit.op("LeakyRelu", [v])), loud));
    const readers = new Map([["v", pathFrom(model) as LayerPath]]);
    const x = randomTensor([16, channels, 6, 6], 3, -1, 1);
    const ranges = await calibrate(model, ["v"], tensorDataset({ x }), { readers });
    const spoilt = ranges.get("v")?.spoilt;
    expect(spoilt && "reader" in spoilt ? spoilt.reader : undefined).toBe(reader);
  });
});
