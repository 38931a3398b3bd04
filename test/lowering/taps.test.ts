import { expect, test } from "vitest";
import { meetings, tapOffset, tapResidue } from "../../src/lowering/taps.ts";

const problem = {
  x: [1, 1, 2, 5],
  y: [1, 1, 2, 3],
  kernel: [2, 2],
  strides: [1, 2],
  dilations: [1, 3],
  group: 1,
  padBegin: [1, 1],
  padEnd: [0, 2],
};

test("a tap meets o*stride + tap*dilation - pad, where x has that", () => {
  // Last axis: tap 0 meets -1, 1, 3 at o = 0, 1, 2; tap 1 meets 2, 4, 6.
  expect(meetings(problem, [1])).toEqual([
    { tap: 0, o: 1, at: 1 },
    { tap: 0, o: 2, at: 3 },
    { tap: 1, o: 0, at: 2 },
    { tap: 1, o: 1, at: 4 },
  ]);
  // First axis: tap 0 meets -1, 0 at o = 0, 1; tap 1 meets 0, 1.
  expect(meetings(problem, [0])).toEqual([
    { tap: 0, o: 1, at: 0 },
    { tap: 1, o: 0, at: 0 },
    { tap: 1, o: 1, at: 1 },
  ]);
});

test("taps of both axes meet what those of each meet", () => {
  const [first, last] = [meetings(problem, [0]), meetings(problem, [1])];
  const both = first.flatMap((a) =>
    last.map((c) => ({ tap: a.tap * 2 + c.tap, o: a.o * 3 + c.o, at: a.at * 5 + c.at })),
  );
  const sorted = (list: typeof both): string[] => list.map((each) => JSON.stringify(each)).sort();
  expect(sorted(meetings(problem))).toEqual(sorted(both));
});

test("an offset is whole strides and a residue within one", () => {
  expect([0, 1].map((tap) => tapOffset(problem, 1, tap))).toEqual([-1, 2]);
  expect([0, 1].map((tap) => tapResidue(problem, 1, tap))).toEqual([
    { shift: -1, residue: 1 },
    { shift: 1, residue: 0 },
  ]);
});
