import type { WindowProblem } from "../../src/ops/gradient-nodes.ts";

/** A depthwise convolution, of stride 1 without dilation and pads but for what is given. */
export interface Case {
  algorithms: string[];
  x: number[];
  kernel: number[];
  strides?: number[];
  dilations?: number[];
  begin?: number[];
  end?: number[];
  /** Rows per channel of x. */
  multiplier?: number;
}

/** Each with the algorithms that are tried for it, the likeliest first. */
export const cases: Case[] = [
  { algorithms: ["windows"], x: [2, 3, 80], kernel: [5], begin: [2], end: [1] },
  { algorithms: ["whole-maps", "windows"], x: [2, 3, 40], kernel: [5], begin: [2], end: [1] },
  { algorithms: ["whole-maps", "windows"], x: [2, 3, 7, 6], kernel: [3, 3], begin: [1, 1], end: [1, 1] },
  { algorithms: ["whole-maps", "windows"], x: [3, 2, 5, 4], kernel: [5, 5], begin: [2, 2], end: [2, 2] },
  { algorithms: ["whole-maps", "windows"], x: [2, 2, 6, 3], kernel: [3, 4], begin: [0, 3], end: [2, 0] },
  {
    algorithms: ["whole-maps", "windows"],
    x: [2, 2, 3, 9],
    kernel: [2, 3],
    dilations: [2, 4],
    begin: [3, 1],
    end: [0, 7],
  },
  {
    algorithms: ["whole-maps", "windows"],
    x: [2, 2, 1, 3],
    kernel: [3, 3],
    begin: [1, 1],
    end: [1, 1],
    multiplier: 3,
  },
  { algorithms: ["whole-maps", "windows"], x: [2, 3, 4, 5], kernel: [3, 1], begin: [1, 0], end: [1, 0] },
  { algorithms: ["whole-maps", "windows"], x: [2, 3, 7, 6], kernel: [3, 2], begin: [2, 3], end: [0, 1] },
  {
    algorithms: ["whole-maps", "windows"],
    x: [2, 2, 4, 3, 4],
    kernel: [2, 2, 2],
    begin: [1, 0, 1],
    end: [0, 1, 1],
  },
  {
    algorithms: ["windows"],
    x: [2, 2, 16, 2, 3],
    kernel: [2, 2, 2],
    begin: [1, 0, 1],
    end: [0, 1, 1],
  },
  { algorithms: ["moved-dy", "moved-x"], x: [2, 3, 21, 22], kernel: [3, 3], begin: [1, 1], end: [1, 1] },
  { algorithms: ["moved-dy", "moved-x"], x: [2, 3, 21, 22], kernel: [3, 5], begin: [0, 1], end: [0, 3] },
  {
    algorithms: ["moved-dy", "moved-x"],
    x: [2, 3, 21, 22],
    kernel: [3, 3],
    dilations: [2, 3],
    begin: [3, 2],
    end: [0, 4],
  },
  {
    algorithms: ["moved-dy", "moved-x"],
    x: [1, 70, 20, 24],
    kernel: [3, 3],
    begin: [1, 1],
    end: [1, 1],
    multiplier: 2,
  },
  { algorithms: ["moved-dy"], x: [2, 3, 21, 22], kernel: [3, 3] },
  { algorithms: ["moved-dy"], x: [2, 3, 9, 12], kernel: [1, 3], begin: [0, 0], end: [0, 5] },
  { algorithms: ["moved-x", "moved-dy"], x: [2, 3, 5, 40], kernel: [3, 3], begin: [1, 1], end: [1, 1] },
  { algorithms: ["moved-x"], x: [2, 3, 3, 70], kernel: [2, 3], begin: [1, 1], end: [0, 1] },
  { algorithms: ["blocks"], x: [2, 3, 5, 40], kernel: [3, 3] },
  {
    algorithms: ["blocks", "products"],
    x: [2, 3, 21, 60],
    kernel: [3, 5],
    strides: [2, 2],
    begin: [1, 2],
    end: [0, 1],
  },
  { algorithms: ["blocks"], x: [2, 3, 5, 80], kernel: [3, 5], strides: [2, 2], begin: [1, 2], end: [0, 1] },
  {
    algorithms: ["blocks", "products"],
    x: [2, 3, 21, 40],
    kernel: [3, 5],
    strides: [2, 2],
    begin: [1, 2],
    end: [0, 1],
  },
  {
    algorithms: ["products", "blocks"],
    x: [2, 3, 21, 22],
    kernel: [3, 5],
    strides: [2, 3],
    begin: [1, 2],
    end: [0, 1],
  },
  {
    algorithms: ["products", "blocks"],
    x: [3, 4, 9, 8],
    kernel: [5, 3],
    strides: [3, 2],
    begin: [4, 1],
    end: [3, 2],
  },
  {
    algorithms: ["products", "blocks"],
    x: [2, 3, 1, 4],
    kernel: [2, 3],
    strides: [2, 2],
    dilations: [4, 1],
    begin: [2, 1],
  },
  {
    algorithms: ["products", "blocks"],
    x: [2, 3, 1, 2],
    kernel: [3, 3],
    strides: [2, 2],
    begin: [1, 1],
    end: [1, 1],
  },
  {
    algorithms: ["products", "blocks"],
    x: [1, 70, 11, 10],
    kernel: [3, 3],
    strides: [2, 1],
    dilations: [2, 3],
    begin: [2, 3],
    end: [2, 4],
    multiplier: 2,
  },
  {
    algorithms: ["blocks"],
    x: [2, 3, 17],
    kernel: [3],
    strides: [2],
    dilations: [2],
    begin: [1],
    end: [1],
  },
  { algorithms: ["products", "blocks"], x: [2, 3, 9, 9], kernel: [1, 1], strides: [2, 2] },
  {
    algorithms: ["blocks"],
    x: [2, 2, 5, 6, 8],
    kernel: [3, 2, 3],
    strides: [1, 2, 2],
    begin: [1, 0, 1],
    end: [1, 0, 1],
  },
];

export function problemOf({ x, kernel, ...window }: Omit<Case, "algorithms">, multiplier = 1): WindowProblem {
  const [images = 1, channels = 1, ...inputs] = x;
  const {
    strides = kernel.map(() => 1),
    dilations = kernel.map(() => 1),
    begin = kernel.map(() => 0),
    end = begin,
  } = window;
  const at = (values: readonly number[], axis: number): number => values[axis] ?? 0;
  const outputs = inputs.map((size, axis) => {
    const span = at(dilations, axis) * (at(kernel, axis) - 1);
    return Math.floor((size + at(begin, axis) + at(end, axis) - span - 1) / at(strides, axis)) + 1;
  });
  const y = [images, channels * multiplier, ...outputs];
  return { x, y, group: channels, kernel, strides, dilations, padBegin: begin, padEnd: end };
}
