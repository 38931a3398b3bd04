import { expect, test } from "vitest";
import { chooseConvDataAlgorithm } from "../../src/lowering/choose-conv-data.ts";
import { guessedAlgorithms } from "../../src/lowering/algorithms.ts";
import { lowerGradientNodes } from "../../src/lowering/lower-gradient-nodes.ts";
import { encodeModel } from "../../src/onnx/index.ts";
import { gradientDomain, type WindowProblem, windowAttributes } from "../../src/ops/gradient-nodes.ts";
import { Session } from "../../src/runtime/session.ts";
import { type Tensor, viewAs } from "../../src/tensor/tensor.ts";
import { buildModel } from "../support/build-model.ts";
import { randomTensor } from "../support/random-tensor.ts";

const window = (
  x: number[],
  y: number[],
  kernel: number[],
  strides: number[],
  pads: number[],
): WindowProblem => ({
  x,
  y,
  kernel,
  strides,
  group: x[1] as number,
  dilations: kernel.map(() => 1),
  padBegin: pads.slice(0, kernel.length),
  padEnd: pads.slice(kernel.length),
});

test.each([
  { algorithm: "whole-maps", problem: window([4, 3, 7, 7], [4, 3, 7, 7], [3, 3], [1, 1], [1, 1, 1, 1]) },
  { algorithm: "whole-maps", problem: window([4, 3, 8, 9], [4, 3, 4, 5], [3, 2], [2, 2], [1, 1, 0, 1]) },
  { algorithm: "whole-maps", problem: window([5, 3, 11], [5, 3, 9], [3], [1], [0, 0]) },
  { algorithm: "row-blocks", problem: window([2, 3, 28, 28], [2, 3, 28, 28], [5, 5], [1, 1], [2, 2, 2, 2]) },
  { algorithm: "row-blocks", problem: window([2, 3, 28, 30], [2, 3, 14, 15], [5, 5], [2, 2], [2, 2, 1, 2]) },
  {
    algorithm: "flipped-conv",
    problem: window([2, 3, 45, 28], [2, 3, 15, 14], [3, 3], [3, 2], [0, 1, 0, 0]),
  },
  {
    algorithm: "conv-transpose",
    problem: window([2, 3, 14, 14], [2, 3, 7, 7], [3, 3], [2, 2], [1, 1, 0, 0]),
  },
  { algorithm: "row-blocks", problem: window([2, 3, 30, 45], [2, 3, 28, 43], [5, 4], [1, 1], [1, 0, 1, 1]) },
])("$algorithm: x [$problem.x], kernel [$problem.kernel]", async ({ algorithm, problem }) => {
  expect(chooseConvDataAlgorithm(problem, { portable: true, algorithms: guessedAlgorithms })).toBe(algorithm);
  const channels = problem.x[1] as number;
  const weightShape = [channels, 1, ...problem.kernel];
  const model = buildModel({
    inputs: { x: problem.x, dy: problem.y, w: weightShape },
    outputs: ["dx", "forward", "backward"],
    build(emit) {
      const attributes = windowAttributes(problem);
      const shapes = { x_shape: problem.x, y_shape: problem.y, group: channels };
      emit.op(
        "ConvDataGrad",
        ["dy", "w"],
        { ...attributes, ...shapes },
        { domain: gradientDomain, outputs: ["dx"] },
      );
      const y = emit.op("Conv", ["x", "w"], { ...attributes, group: channels });
      emit.op("ReduceSum", [emit.op("Mul", [y, "dy"])], {}, { outputs: ["forward"] });
      emit.op("ReduceSum", [emit.op("Mul", ["x", "dx"])], {}, { outputs: ["backward"] });
    },
  });
  const lowered = {
    ...model,
    graph: lowerGradientNodes(model.graph, { portable: true, algorithms: guessedAlgorithms }),
  };
  const session = await Session.create(encodeModel(lowered), { threads: 1 });
  const w = randomTensor(weightShape, 3);
  for (const seed of [1, 2, 3]) {
    const feeds = { x: randomTensor(problem.x, seed), dy: randomTensor(problem.y, 10 + seed), w };
    const results = await session.run(feeds);
    expect(results["dx"]?.dims).toEqual(problem.x);
    const [forward, backward] = ["forward", "backward"].map(
      (name) => viewAs(results[name] as Tensor, "float32")[0],
    );
    // Adjoint: <conv(x), dy> = <x, dx>.
    expect(Math.abs((forward ?? NaN) - (backward ?? NaN))).toBeLessThan(2e-3);
  }
  await session.release();
});
