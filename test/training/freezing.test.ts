import { expect, test } from "vitest";
import { ints, tensorOf, viewAs } from "../../src/tensor/tensor.ts";
import { importanceMetrics } from "../../src/training/freezing/importance.ts";
import { selectionModes } from "../../src/training/freezing/modes.ts";
import type { Candidate } from "../../src/training/freezing/selection.ts";
import {
  defaultFreezingOptions,
  type FreezableWeight,
  refreshRows,
} from "../../src/training/freezing/refresh.ts";
import { forEachInRow, rowLayout } from "../../src/tensor/rows.ts";
import { scatterRows } from "../../src/training/freezing/rows.ts";
import { orAsBuilt, settleChoice } from "../../src/training/freezing/settle-choice.ts";
import { thawRow } from "../../src/training/freezing/thaw.ts";
import { keptEnd } from "../../src/training/trainer/kept-end.ts";
import { stateTensor, type TrainingState } from "../../src/training/state.ts";

const candidate = (name: string, importance: number[], rowSize: number): Candidate => ({
  name,
  importance: Float64Array.from(importance),
  rowSize,
});
const candidates = [
  candidate("a", [1, 5, 3, 2], 2),
  candidate("b", [10, 0.5], 4),
  candidate("c", [4, 4, 4], 10),
];

const share = (ratio: number) => ({ ratio, budget: 0 });

test("cwpl takes the top rows of every weight", () => {
  expect(selectionModes.cwpl(candidates, share(0.5)).rows).toEqual([[1, 2], [0], [0, 1]]);
});

test("cwpn takes the top rows of the whole network", () => {
  expect(selectionModes.cwpn(candidates, share(5 / 9)).rows).toEqual([[1], [0], [0, 1, 2]]);
});

test("lwpn takes whole weights of the best mean while they fit", () => {
  // means: a 2.75, b 5.25, c 4; sizes 8, 8, 30 of 46
  expect(selectionModes.lwpn(candidates, share(16 / 46)).rows).toEqual([[0, 1, 2, 3], [0, 1], []]);
  expect(selectionModes.lwpn(candidates, share(38 / 46)).rows).toEqual([[], [0, 1], [0, 1, 2]]);
});

test.each(["cwpl", "cwpn", "lwpn"] as const)("%s takes nothing at 0 and everything at 1", (mode) => {
  expect(selectionModes[mode](candidates, share(0)).rows).toEqual([[], [], []]);
  expect(selectionModes[mode](candidates, share(1)).rows).toEqual([
    [0, 1, 2, 3],
    [0, 1],
    [0, 1, 2],
  ]);
});

test("magnitude is the mean absolute dequantized value per row, along any axis", () => {
  const weight = { shape: [2, 3], codes: Int8Array.of(1, -2, 3, -4, 5, -6) };
  const scale = Float32Array.of(0.5, 2, 1);
  expect([...importanceMetrics.magnitude.score({ ...weight, axis: 0, scale })]).toEqual([1, 10]);
  expect([...importanceMetrics.magnitude.score({ ...weight, axis: 1, scale })]).toEqual([1.25, 7, 4.5]);
});

test("error-energy weighs each element's rounding error with the power of the channel it multiplies", () => {
  const scale = Float32Array.of(1, 2);
  // rows [1, 2] and [3, 4] of codes; errors 0.5, 0, 0, 1
  const weight = { codes: Int8Array.of(1, 2, 3, 4), float: Float32Array.of(1.5, 2, 6, 9), scale };
  const energy = (inputEnergy: Float64Array, shape: number[], axis = 0): number[] => [
    ...importanceMetrics["error-energy"].score({ ...weight, shape, axis, inputEnergy }),
  ];
  expect(energy(Float64Array.of(3, 10), [2, 2])).toEqual([0.75, 10]);
  expect(energy(Float64Array.of(3, 10), [2, 1, 2])).toEqual([0.75, 10]); // two groups of one channel each
  expect(energy(Float64Array.of(3), [2, 1, 2])).toEqual([0.75, 3]); // one channel, two taps
  // along axis 1 the rows are columns: codes 1, 3 and 2, 4, errors 0.5, 3 and -2, 1
  expect(energy(Float64Array.of(3, 10), [2, 2], 1)).toEqual([0.75 + 90, 4 * 3 + 10]);
});

const costs = {
  forward: 50,
  full: 100,
  positions: { "a.scale": 0, "b.scale": 1, "c.scale": 2 },
  weights: {
    a: { position: 0, reach: 60, fixed: 0, perRow: 1 },
    b: { position: 1, reach: 30, fixed: 4, perRow: 2 },
    c: { position: 2, reach: 10, fixed: 1, perRow: 5 },
  },
};

test("cost ends the backward where the budget buys most importance", () => {
  const cost = (budget: number) => selectionModes.cost(candidates, { ratio: 1, budget, costs });
  // Rows in reach: 11 + 10.5 + 12 of importance from a, 22.5 from b, 12 from c; as much again for rows that train.
  // 17 ms: only c is within reach, and 7 ms are one of its rows
  expect(cost(0.17)).toEqual({ rows: [[], [], [0]], first: "c" });
  // 36 ms: from c 26 ms are all its rows (12 + 12), from b 6 ms are b's best row (22.5 + 10)
  expect(cost(0.36)).toEqual({ rows: [[], [0], []], first: "b" });
  // 62 ms: from b 32 ms are everything (22.5 + 22.5), from a 2 ms are its two best rows (33.5 + 8)
  expect(cost(0.62)).toEqual({ rows: [[], [0, 1], [0, 1, 2]], first: "b" });
  // 68 ms: from a 8 ms are its two best rows and b's (33.5 + 8 + 10), and from b there is nothing more to have
  expect(cost(0.68)).toEqual({ rows: [[1, 2], [0], []], first: "a" });
  // 72 ms: from a 12 ms are its rows and b's (33.5 + 11 + 10.5)
  expect(cost(0.72)).toEqual({ rows: [[0, 1, 2, 3], [0, 1], []], first: "a" });
  expect(cost(1)).toEqual({
    rows: [
      [0, 1, 2, 3],
      [0, 1],
      [0, 1, 2],
    ],
    first: "a",
  });
  expect(cost(0.05)).toEqual({ rows: [[], [], []], first: "c" });
});

test("cost leaves the end of the backward where it is told to, as long as the budget gets there", () => {
  const cost = (budget: number, end: string) =>
    selectionModes.cost(candidates, { ratio: 1, budget, costs, end });
  expect(cost(0.68, "b")).toEqual({ rows: [[], [0, 1], [0, 1, 2]], first: "b" });
  expect(cost(0.68, "c")).toEqual({ rows: [[], [], [0, 1, 2]], first: "c" });
  expect(cost(0.36, "a")).toEqual({ rows: [[], [0], []], first: "b" });
});

test("the end of the backward may move once steps took a hundred times as long as building a session", () => {
  const at = (step: number, first: string | null, looked = false) => ({
    step,
    trained: 1,
    started: 0,
    first,
    looked,
  });
  const held = (refreshes: ReturnType<typeof at>[], step: number, runs = 1) =>
    keptEnd(refreshes, step, costs, { building: 80, runs });
  expect(held([], 0)).toBeUndefined();
  expect(held([at(0, null)], 1)).toBeUndefined();
  // A run that ends at b takes at least 50 + 30 ms, one that ends at c 50 + 10; 80 ms are 1 % of 8 s.
  expect(held([at(0, "b")], 99)).toBe("b");
  expect(held([at(0, "b")], 100)).toBeUndefined();
  expect(held([at(0, "b")], 49, 2)).toBe("b");
  expect(held([at(0, "b")], 50, 2)).toBeUndefined();
  const later = [at(0, "c"), at(100, "b"), at(150, "b")];
  expect(held(later, 199)).toBe("b");
  expect(held(later, 200)).toBeUndefined();
  // A look at all layers takes a session, too, also where it leaves the end where it is.
  const looked = [...later, at(200, "b", true), at(250, "b")];
  expect(held(looked, 299)).toBe("b");
  expect(held(looked, 300)).toBeUndefined();
});

test("cost falls back to cwpl before anything was measured", () => {
  expect(selectionModes.cost(candidates, { ratio: 0.5, budget: 0.5 })).toEqual(
    selectionModes.cwpl(candidates, share(0.5)),
  );
});

test("rows scatter to where they were gathered from", () => {
  const weight = Int8Array.from({ length: 24 }, (_, index) => index);
  const rows = BigInt64Array.of(2n, 0n);
  const taken = gatherRows(weight, [2, 3, 4], 1, rows);
  expect([...taken.subarray(0, 8)]).toEqual([8, 9, 10, 11, 20, 21, 22, 23]);
  const target = new Int8Array(24).fill(-1);
  scatterRows(target, [2, 3, 4], 1, rows, taken);
  expect([...target]).toEqual([...weight].map((value) => (value % 12 >= 4 && value % 12 < 8 ? -1 : value)));
});

test("a thawed element starts from its float value when that still has its code, else from the code", () => {
  const latent = new Float32Array(5);
  thawRow(
    {
      shape: [1, 5],
      axis: 0,
      qmin: -8,
      qmax: 7,
      codes: Int8Array.of(3, 3, 7, -8, 2),
      scale: Float32Array.of(0.5),
      float: Float32Array.of(1.6, 1.2, 9, -4.1, 1.25),
    },
    0,
    latent,
    0,
  );
  // 1.6/0.5 -> 3; 1.2/0.5 -> 2, not 3; 9 saturates at 7; -4.1/.5 -> -8, clamped to -4; 1.25/.5 = 2.5 -> 2
  expect([...latent]).toEqual([Math.fround(1.6), 1.5, 3.5, -4, 1.25]);
});

const weight: FreezableWeight = {
  name: "W",
  shape: [4, 2],
  axis: 0,
  qmin: -127,
  qmax: 127,
  codes: "W.codes",
  scale: "W.scale",
  rows: "W.rows",
  latent: "W.latent",
  slots: [
    { name: "W.exp_avg", perElement: true },
    { name: "W.steps", perElement: false },
  ],
};

test("refresh keeps the state of rows that stay and clears that of rows that start", () => {
  const state: TrainingState = new Map([
    ["W.codes", tensorOf("int8", [4, 2], Int8Array.of(1, 1, 9, 9, 8, 8, 2, 2))],
    ["W.scale", tensorOf("float32", [4], Float32Array.of(1, 1, 1, 1))],
    ["W.rows", ints([1, 3])],
    ["W.latent", tensorOf("float32", [2, 2], Float32Array.of(9.25, 8.75, 2, 2))],
    ["W.exp_avg", tensorOf("float32", [2, 2], Float32Array.of(1, 2, 3, 4))],
    ["W.steps", tensorOf("float32", [2], Float32Array.of(7, 7))],
  ]);
  const options = { ...defaultFreezingOptions, mode: "cwpl", importance: "magnitude", ratio: 0.5 } as const;
  expect(refreshRows(state, [weight], options, { floatWeights: new Map() })).toEqual({
    trained: 2,
    started: 1,
    first: null,
    rows: [2],
  });
  const floats = (name: string): number[] => [...viewAs(stateTensor(state, name), "float32")];
  expect([...viewAs(stateTensor(state, "W.rows"), "int64")]).toEqual([1n, 2n]);
  expect(floats("W.latent")).toEqual([9.25, 8.75, 8, 8]);
  expect(floats("W.exp_avg")).toEqual([1, 2, 0, 0]);
  expect(floats("W.steps")).toEqual([7, 0]);
});

test("refresh to no rows leaves empty tensors", () => {
  const state: TrainingState = new Map([
    ["W.codes", tensorOf("int8", [4, 2], new Int8Array(8))],
    ["W.scale", tensorOf("float32", [4], new Float32Array(4).fill(1))],
  ]);
  const options = { ...defaultFreezingOptions, mode: "cwpl", ratio: 0 } as const;
  refreshRows(state, [weight], options, { floatWeights: new Map() });
  expect(stateTensor(state, "W.latent").dims).toEqual([0, 2]);
  expect(stateTensor(state, "W.steps").dims).toEqual([0]);
});

test("auto is the paper's setting with 8-bit weights, over the network by fisher with 4-bit ones, and yields to what is given", () => {
  const open = { mode: "auto", importance: "auto" } as const;
  const bits = (...each: number[]): { bits: number }[] => each.map((one) => ({ bits: one }));
  expect(settleChoice(open, bits(8, 8, 8))).toEqual({ mode: "cwpl", importance: "magnitude" });
  expect(settleChoice(open, bits(8, 4, 4, 8, 4))).toEqual({ mode: "cwpn", importance: "fisher" });
  expect(settleChoice(open, bits(8, 4))).toEqual({ mode: "cwpl", importance: "magnitude" });
  expect(settleChoice({ ...open, mode: "cwpl" }, bits(4, 4))).toEqual({
    mode: "cwpl",
    importance: "magnitude",
  });
  expect(settleChoice({ ...open, importance: "magnitude" }, bits(4, 4))).toEqual({
    mode: "cwpn",
    importance: "magnitude",
  });
});

test("a run chooses rows as its artifact was built for, but for what is asked otherwise", () => {
  const built = { mode: "cost", importance: "error-energy" } as const;
  expect(orAsBuilt({}, built)).toEqual(built);
  expect(orAsBuilt({ importance: "magnitude" }, built)).toEqual({ mode: "cost", importance: "magnitude" });
  expect(orAsBuilt({ mode: "cwpl" }, built)).toEqual({ mode: "cwpl", importance: "auto" });
});

/** The rows listed, row axis first, copied out of a weight. */
function gatherRows(
  weight: Int8Array,
  shape: readonly number[],
  axis: number,
  rows: BigInt64Array,
): Int8Array<ArrayBuffer> {
  const layout = rowLayout(shape, axis);
  const gathered: number[] = [];
  for (const row of rows)
    forEachInRow(layout, Number(row), (index) => gathered.push(weight[index] as number));
  return Int8Array.from(gathered);
}
