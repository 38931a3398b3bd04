import { expect, test } from "vitest";
import { randomStream } from "../../src/data/random.ts";
import { contribOpsets, createModel, createValue } from "../../src/ir/graph.ts";
import type { Graph } from "../../src/ir/model.ts";
import type { Algorithms, Question } from "../../src/lowering/algorithms.ts";
import { lowerGradientNodes } from "../../src/lowering/lower-gradient-nodes.ts";
import type { AllowedOperators, LoweringOptions } from "../../src/lowering/lowering.ts";
import { positions } from "../../src/lowering/spatial.ts";
import { gradientDomain, type WindowProblem, windowAttributes } from "../../src/ops/gradient-nodes.ts";
import { withSession } from "../../src/runtime/open-model.ts";
import { loadsNchwc } from "../../src/training/costs/loads-nchwc.ts";
import { ints, type Tensor, viewAs } from "../../src/tensor/tensor.ts";
import { buildModel } from "../support/build-model.ts";
import { randomTensor } from "../support/random-tensor.ts";

/** Convolutions that few would write: maps smaller than strides, kernels and pads, taps that meet nothing. */
const random = randomStream(11);
const below = (count: number): number => Math.floor(random() * count);
const problems = oddProblems(150, () => {
  const group = [1, 1, 2, 4][below(4)] as number;
  return { rank: 1 + below(2), images: 2, group, channels: group === 1 ? 3 : 4, rows: 4 * (1 + below(2)) };
});
/** Depthwise ones whose maps are whole blocks of channels. */
const blocked = oddProblems(150, () => ({
  rank: 2,
  images: 1 + below(3),
  group: 16,
  channels: 16,
  rows: 16 * (1 + below(2)),
}));

interface Sizes {
  rank: number;
  images: number;
  group: number;
  channels: number;
  rows: number;
}

function oddProblems(count: number, draw: () => Sizes): WindowProblem[] {
  const found: WindowProblem[] = [];
  while (found.length < count) {
    const { rank, images, group, channels, rows } = draw();
    const axes = (from: number, range: number): number[] =>
      Array.from({ length: rank }, () => from + below(range));
    const [sizes, kernel, strides, dilations] = [axes(1, 6), axes(1, 4), axes(1, 3), axes(1, 2)];
    const [padBegin, padEnd] = [axes(0, 3), axes(0, 3)];
    const outputs = sizes.map((size, axis) => {
      const span = (dilations[axis] as number) * ((kernel[axis] as number) - 1);
      const covered = size + (padBegin[axis] as number) + (padEnd[axis] as number) - span;
      return Math.floor((covered - 1) / (strides[axis] as number)) + 1;
    });
    if (outputs.some((size) => size < 1)) continue;
    found.push({
      x: [images, channels, ...sizes],
      y: [images, rows, ...outputs],
      group,
      kernel,
      strides,
      dilations,
      padBegin,
      padEnd,
    });
  }
  return found;
}

const title =
  "x $x, kernel $kernel, strides $strides, dilations $dilations, pads $padBegin $padEnd, groups $group";

test.each(problems)(title, async (problem) => {
  for (const portable of [false, true]) await expectEveryAlgorithm(problem, { portable });
});

const loads = await loadsNchwc();
test.skipIf(!loads).each(blocked)(
  `in blocks of channels, where ONNX Runtime has kernels for them: ${title}`,
  async (problem) => {
    const taken = await expectEveryAlgorithm(problem, { portable: false, nchwc: true });
    expect(taken).toContain("nchwc");
  },
);

/** Compares dx and dw in every algorithm with their definitions; returns the algorithms. */
async function expectEveryAlgorithm(problem: WindowProblem, allowed: AllowedOperators): Promise<Set<string>> {
  const [x, dy] = [randomTensor(problem.x, 1), randomTensor(problem.y, 2)];
  const count = problem.y[1] as number;
  const perGroup = (problem.x[1] as number) / problem.group;
  const w = randomTensor([count, perGroup, ...problem.kernel], 3);
  const { dx, dw } = directly(x, dy, w, problem);
  const taken = new Set<string>();
  for (const answers of everyAlgorithm((algorithms) => void lowered(problem, { ...allowed, algorithms }))) {
    const algorithms: Algorithms = {
      answer(question) {
        const algorithm = answers.answer(question);
        taken.add(algorithm);
        return algorithm;
      },
    };
    const graph = lowered(problem, { ...allowed, algorithms });
    const model = createModel(graph, 17, contribOpsets(graph));
    for (const rows of [[0, count - 1], Array.from({ length: count }, (_, row) => row)]) {
      const found = await withSession(model, { threads: 1 }, (session) =>
        session.run({ x, dy, w, rows: ints(rows) }),
      );
      expectNear(found["dx"] as Tensor, dx);
      const size = dw.length / count;
      expectNear(
        found["dw"] as Tensor,
        rows.flatMap((row) => dw.slice(row * size, (row + 1) * size)),
      );
      expect((found["dw"] as Tensor).dims).toEqual([rows.length, perGroup, ...problem.kernel]);
    }
  }
  return taken;
}

function lowered(problem: WindowProblem, options: LoweringOptions): Graph {
  const { graph } = buildModel({
    inputs: {
      x: problem.x,
      dy: problem.y,
      w: [problem.y[1], (problem.x[1] as number) / problem.group, ...problem.kernel],
      rows: ["int64", "R"],
    },
    outputs: ["dx", "dw"],
    build(emit) {
      const { x, y, group } = problem;
      const attributes = { ...windowAttributes(problem), x_shape: x, y_shape: y, group };
      const options = (name: string) => ({ domain: gradientDomain, outputs: [name] });
      emit.op("ConvDataGrad", ["dy", "w"], attributes, options("dx"));
      emit.op("ConvWeightGrad", ["x", "dy", "rows"], attributes, options("dw"));
    },
  });
  graph.outputs = ["dx", "dw"].map((name) => createValue(name, "float32", undefined));
  return lowerGradientNodes(graph, options);
}

/** Answers such that every algorithm of every question asked is taken at least once. */
function everyAlgorithm(ask: (algorithms: Algorithms) => void): Algorithms[] {
  const asked: Question[] = [];
  ask({ answer: (question) => (asked.push(question), question.guess) });
  const most = Math.max(1, ...asked.map(({ algorithms }) => algorithms.length));
  return Array.from({ length: most }, (_, index) => ({
    answer: ({ algorithms }) => algorithms[index % algorithms.length] as string,
  }));
}

/** dx and dw as their definitions say. */
function directly(x: Tensor, dy: Tensor, w: Tensor, problem: WindowProblem): { dx: number[]; dw: number[] } {
  const [seen, given, weight] = [viewAs(x, "float32"), viewAs(dy, "float32"), viewAs(w, "float32")];
  const [dx, dw] = [new Array<number>(seen.length).fill(0), new Array<number>(weight.length).fill(0)];
  const [images = 1, channels = 1, ...inputs] = problem.x;
  const [, rows = 1, ...outputs] = problem.y;
  const [perGroup, rowsPerGroup] = [channels / problem.group, rows / problem.group];
  const flat = (index: readonly number[], shape: readonly number[]): number =>
    index.reduce((sum, value, axis) => sum * (shape[axis] as number) + value, 0);
  for (const [n = 0, r = 0, ...o] of positions([images, rows, ...outputs]))
    for (const [c = 0, ...tap] of positions([perGroup, ...problem.kernel])) {
      const at = o.map(
        (value, axis) =>
          value * (problem.strides[axis] as number) +
          (tap[axis] as number) * (problem.dilations[axis] as number) -
          (problem.padBegin[axis] as number),
      );
      if (at.some((value, axis) => value < 0 || value >= (inputs[axis] as number))) continue;
      const channel = Math.floor(r / rowsPerGroup) * perGroup + c;
      const from = flat([n, channel, ...at], [images, channels, ...inputs]);
      const to = flat([r, c, ...tap], [rows, perGroup, ...problem.kernel]);
      const gradient = given[flat([n, r, ...o], problem.y)] as number;
      dx[from] = (dx[from] as number) + gradient * (weight[to] as number);
      dw[to] = (dw[to] as number) + gradient * (seen[from] as number);
    }
  return { dx, dw };
}

function expectNear(found: Tensor, expected: readonly number[]): void {
  const values = viewAs(found, "float32");
  expect(values.length).toBe(expected.length);
  values.forEach((value, index) => expect(value).toBeCloseTo(expected[index] as number, 4));
}
