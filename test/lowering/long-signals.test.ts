import { expect, test } from "vitest";
import { createModel, createValue, contribOpsets } from "../../src/ir/graph.ts";
import { lowerGradientNodes } from "../../src/lowering/lower-gradient-nodes.ts";
import { gradientDomain, windowAttributes } from "../../src/ops/gradient-nodes.ts";
import { withSession } from "../../src/runtime/open-model.ts";
import { elementCount, floats, type Tensor, viewAs } from "../../src/tensor/tensor.ts";
import { buildModel } from "../support/build-model.ts";

const [length, taps, channels, rows] = [2 ** 18, 160, 2, 2];
const shape = [1, channels, length + taps - 1];

const wave = (dims: number[], step: number): Tensor =>
  floats(
    Float32Array.from({ length: elementCount(dims) }, (_, index) => Math.sin(step * index)),
    dims,
  );

/** dw of a long kernel over a long signal, lowered in one algorithm. */
function lowered(algorithm: "unfold-x" | "unfold-dy") {
  const zeros = [0];
  const window = windowAttributes({
    kernel: [taps],
    strides: [1],
    dilations: [1],
    padBegin: zeros,
    padEnd: zeros,
  });
  const y = [1, rows, length];
  const { graph } = buildModel({
    inputs: { x: shape, dy: y },
    outputs: ["dw"],
    build: (emit) =>
      void emit.op(
        "ConvWeightGrad",
        ["x", "dy"],
        { ...window, x_shape: shape, y_shape: y, group: 1 },
        { domain: gradientDomain, outputs: ["dw"] },
      ),
  });
  const answer = ({ decision, guess }: { decision: string; guess: string }): string =>
    decision === "conv-weight" ? algorithm : guess;
  const made = lowerGradientNodes(graph, { portable: true, algorithms: { answer } });
  made.outputs = [createValue("dw", "float32", undefined)];
  return createModel(made, 17, contribOpsets(made));
}

test.each(["unfold-x", "unfold-dy"] as const)(
  "%s: a signal is not written out once per tap",
  async (algorithm) => {
    const model = lowered(algorithm);
    // 160 copies would take 336 MB.
    const most = Math.max(
      ...model.graph.nodes.filter(({ opType }) => opType === "Concat").map(({ inputs }) => inputs.length),
    );
    expect(most).toBeLessThan(taps);
    const [x, dy] = [wave(shape, 0.37), wave([1, rows, length], 0.37)];
    const found = await withSession(model, { threads: 1 }, (session) => session.run({ x, dy }));
    const [dw, xs, dys] = [found["dw"] as Tensor, x, dy].map((tensor) => viewAs(tensor, "float32"));
    const [width = 0] = [shape[2]];
    for (const [row, channel, tap] of [
      [0, 0, 0],
      [1, 0, 127],
      [0, 1, 128],
      [1, 1, 159],
    ] as const) {
      let sum = 0;
      for (let at = 0; at < length; at++)
        sum += (dys![row * length + at] as number) * (xs![channel * width + at + tap] as number);
      expect(Math.abs((dw![(row * channels + channel) * taps + tap] as number) - sum)).toBeLessThan(5);
    }
  },
);
