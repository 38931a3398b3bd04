import { expect, test } from "vitest";
import { extent, overhangOf, type PlacedWindow, spanOf, zerosBehind } from "../../src/ops/window.ts";

/** On one axis, without pads at the end: x elements, y positions, and how far the last tap meets beyond x. */
const cases = [
  { x: 7, y: 7, kernel: 3, stride: 1, dilation: 1, pad: 1, overhang: 1 },
  { x: 7, y: 5, kernel: 3, stride: 1, dilation: 1, pad: 0, overhang: 0 },
  { x: 8, y: 4, kernel: 3, stride: 2, dilation: 1, pad: 1, overhang: 0 },
  { x: 8, y: 3, kernel: 2, stride: 3, dilation: 1, pad: 0, overhang: 0 },
  { x: 9, y: 3, kernel: 1, stride: 3, dilation: 1, pad: 0, overhang: -2 },
  { x: 9, y: 3, kernel: 2, stride: 3, dilation: 4, pad: 4, overhang: -2 },
  { x: 5, y: 5, kernel: 4, stride: 1, dilation: 3, pad: 2, overhang: 7 },
];

const windows = cases.map(({ x, y, kernel, stride, dilation, pad, overhang }) => ({
  overhang,
  window: {
    x: [1, 1, x],
    y: [1, 1, y],
    kernel: [kernel],
    strides: [stride],
    dilations: [dilation],
    padBegin: [pad],
    padEnd: [0],
  } satisfies PlacedWindow,
}));

test.each(windows)("the last tap lies $overhang elements behind x: $window", ({ window, overhang }) => {
  const [span = NaN] = spanOf(window);
  expect(extent(window, 0)).toBe(span + 1);
  const first = ((window.y[2] ?? NaN) - 1) * (window.strides[0] ?? NaN) - (window.padBegin[0] ?? NaN);
  expect(first + span - ((window.x[2] ?? NaN) - 1)).toBe(overhang);
  expect(overhangOf(window)).toEqual([overhang]);
  expect(zerosBehind(window)).toEqual([Math.max(0, overhang)]);
});

test("each axis has its own span", () => {
  const two = {
    x: [2, 3, 7, 9],
    y: [2, 5, 7, 3],
    kernel: [3, 1],
    strides: [1, 3],
    dilations: [2, 4],
    padBegin: [2, 0],
    padEnd: [2, 0],
  };
  expect(spanOf(two)).toEqual([4, 0]);
  expect(overhangOf(two)).toEqual([2, -2]);
  expect(zerosBehind(two)).toEqual([2, 0]);
});
