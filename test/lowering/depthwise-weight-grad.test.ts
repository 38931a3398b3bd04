import { expect, test } from "vitest";
import { chooseDepthwiseChunk, chooseDepthwiseWeightAlgorithm } from "../../src/lowering/choose-depthwise.ts";
import { guessedAlgorithms, type Algorithms, type Question } from "../../src/lowering/algorithms.ts";
import { lowerDepthwiseWeightGrad } from "../../src/lowering/depthwise-weight-grad.ts";
import { GradientBuilder } from "../../src/lowering/gradient-builder.ts";
import { positions } from "../../src/lowering/spatial.ts";
import { encodeModel } from "../../src/onnx/index.ts";
import type { WindowProblem } from "../../src/ops/gradient-nodes.ts";
import { Session } from "../../src/runtime/session.ts";
import { ints, type Tensor, viewAs } from "../../src/tensor/tensor.ts";
import { buildModel } from "../support/build-model.ts";
import { randomTensor } from "../support/random-tensor.ts";
import { cases, problemOf } from "./depthwise-cases.ts";

test.each(cases)(
  "algorithms for x [$x], kernel [$kernel], strides [$strides]: $algorithms",
  ({ algorithms, ...window }) => {
    const asked: Question[] = [];
    const problem = problemOf(window, window.multiplier);
    const answer = (question: Question): string => {
      asked.push(question);
      return question.guess;
    };
    expect(chooseDepthwiseWeightAlgorithm(problem, { portable: true, algorithms: { answer } })).toBe(
      algorithms[0],
    );
    expect(asked.map((question) => question.algorithms)).toEqual([algorithms]);
  },
);

const variants = cases.flatMap(({ algorithms, ...rest }) =>
  algorithms.flatMap((algorithm) => [true, false].map((portable) => ({ ...rest, algorithm, portable }))),
);

test.each(variants)(
  "$algorithm: x [$x], kernel [$kernel], strides [$strides], portable $portable",
  async ({ algorithm, multiplier, portable, ...window }) => {
    const problem = problemOf(window, multiplier);
    const algorithms: Algorithms = { answer: () => algorithm };
    const model = buildModel({
      inputs: { x: problem.x, dy: problem.y, rows: ["int64", "R"] },
      outputs: ["dw"],
      build(emit) {
        const dw = lowerDepthwiseWeightGrad(
          new GradientBuilder(emit),
          { x: "x", dy: "dy", rows: "rows" },
          problem,
          { portable, algorithms },
        );
        emit.op("Identity", [dw], {}, { outputs: ["dw"] });
      },
    });
    const [x, dy] = [randomTensor(problem.x, 1), randomTensor(problem.y, 2)];
    const count = problem.y[1] as number;
    const session = await Session.create(encodeModel(model), { threads: 1 });
    for (const rows of [[], [count - 1], Array.from({ length: count }, (_, row) => row)]) {
      const dw = (await session.run({ x, dy, rows: ints(rows) }))["dw"] as Tensor;
      expect(dw.dims).toEqual([rows.length, 1, ...problem.kernel]);
      const expected = rows.flatMap((row) => weightGradient(x, dy, row, problem));
      for (const [i, value] of viewAs(dw, "float32").entries())
        expect(value).toBeCloseTo(expected[i] ?? NaN, 3);
    }
    await session.release();
  },
);

test("layers of one shape train different numbers of rows", async () => {
  const problem = problemOf({ x: [2, 8, 7, 6], kernel: [3, 3], begin: [1, 1] });
  const layers = ["a", "b", "c"];
  const model = buildModel({
    inputs: Object.fromEntries(
      layers.flatMap((name): [string, (number | string)[]][] => [
        [`${name}.x`, problem.x],
        [`${name}.dy`, problem.y],
        [`${name}.rows`, ["int64", `${name}.R`]],
      ]),
    ),
    outputs: layers,
    build(emit) {
      const b = new GradientBuilder(emit);
      const options = { portable: false, algorithms: guessedAlgorithms };
      for (const name of layers) {
        const values = { x: `${name}.x`, dy: `${name}.dy`, rows: `${name}.rows` };
        // A value that is read once and gone: its buffer is free for the next layer's.
        const dw = b.neg(lowerDepthwiseWeightGrad(b, values, problem, options));
        emit.op("Identity", [b.neg(dw)], {}, { outputs: [name] });
      }
    },
  });
  const data = new Map(
    layers.flatMap((name, at) => [
      [`${name}.x`, randomTensor(problem.x, 2 * at)],
      [`${name}.dy`, randomTensor(problem.y, 2 * at + 1)],
    ]),
  );
  const session = await Session.create(encodeModel(model), { threads: 1 });
  for (const counts of [
    [8, 8, 8],
    [3, 5, 8],
    [8, 2, 7],
  ]) {
    const chosen = layers.map((name, at) => {
      const rows = Array.from({ length: counts[at] ?? 0 }, (_, row) => row);
      return [`${name}.rows`, ints(rows)] as const;
    });
    const found = await session.run(Object.fromEntries([...data, ...chosen]));
    for (const [at, name] of layers.entries()) {
      const [x, dy] = [data.get(`${name}.x`) as Tensor, data.get(`${name}.dy`) as Tensor];
      const dw = found[name] as Tensor;
      expect(dw.dims).toEqual([counts[at], 1, 3, 3]);
      const expected = Array.from({ length: counts[at] ?? 0 }, (_, row) =>
        weightGradient(x, dy, row, problem),
      ).flat();
      for (const [i, value] of viewAs(dw, "float32").entries())
        expect(value).toBeCloseTo(expected[i] ?? NaN, 3);
    }
  }
  await session.release();
});

test("a chunk has no more rows than there are, few where maps are large, and not too many where they are small", () => {
  expect(chooseDepthwiseChunk(problemOf({ x: [16, 144, 56, 56], kernel: [3, 3] }))).toBe(4);
  expect(chooseDepthwiseChunk(problemOf({ x: [16, 576, 14, 14], kernel: [3, 3] }))).toBe(64);
  expect(chooseDepthwiseChunk(problemOf({ x: [16, 960, 7, 7], kernel: [3, 3] }))).toBe(128);
  expect(chooseDepthwiseChunk(problemOf({ x: [1, 3, 9, 9], kernel: [3, 3] }))).toBe(3);
});

/** dw of one row as its formula says. */
function weightGradient(x: Tensor, dy: Tensor, row: number, problem: WindowProblem): number[] {
  const [images = 1, channels = 1, ...inputs] = problem.x;
  const [, rows = 1, ...outputs] = problem.y;
  const channel = Math.floor((row * channels) / rows);
  const [seen, given] = [viewAs(x, "float32"), viewAs(dy, "float32")];
  const flat = (index: readonly number[], shape: readonly number[]): number =>
    index.reduce((sum, value, axis) => sum * (shape[axis] ?? 1) + value, 0);
  return positions(problem.kernel).map((tap) => {
    let sum = 0;
    for (const [image = 0, ...o] of positions([images, ...outputs])) {
      const at = o.map(
        (value, axis) =>
          value * (problem.strides[axis] ?? 1) +
          (tap[axis] ?? 0) * (problem.dilations[axis] ?? 1) -
          (problem.padBegin[axis] ?? 0),
      );
      if (at.some((value, axis) => value < 0 || value >= (inputs[axis] ?? 0))) continue;
      const left = given[flat([image, row, ...o], problem.y)] ?? NaN;
      sum += left * (seen[flat([image, channel, ...at], problem.x)] ?? NaN);
    }
    return sum;
  });
}
