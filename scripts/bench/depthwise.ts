/**
 * npm run bench:depthwise [-- --images 16 --rounds 15 --blocks 3 --threads 2]
 *
 * Times the weight gradients of depthwise convolutions, those of MobileNetV2 at 224x224 and some of 5x5, with all rows
 * trained and with few, in turn with PyTorch's of all rows (EFQAT_PYTHON names the interpreter). Runs take turns among
 * copies of the operands that no cache holds together, one run right after the other: as in a training step, operands lie
 * in memory and threads are awake. The form is, as in an artifact, the one that a trial finds fastest. The waiting
 * threads of one side slow down the other, so that each takes its rounds in a row, with a session of its own; then all
 * start over.
 */
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Emitter } from "../../src/ir/emit.ts";
import { createGraph, createModel, createValue } from "../../src/ir/graph.ts";
import { type Forms, guessedForms, type Question } from "../../src/lowering/forms.ts";
import { lowerGradientNodes } from "../../src/lowering/lower-gradient-nodes.ts";
import { gradientDomain, windowAttributes } from "../../src/ops/gradient-nodes.ts";
import { openSession } from "../../src/runtime/open-model.ts";
import type { Session } from "../../src/runtime/session.ts";
import { floats, ints, type Tensor } from "../../src/tensor/tensor.ts";
import { type Contestant, interleave, median } from "./interleave.ts";
import { TorchPeer } from "./torch-peer.ts";

const { values } = parseArgs({
  options: {
    images: { type: "string", default: "16" },
    rounds: { type: "string", default: "15" },
    blocks: { type: "string", default: "3" },
    threads: { type: "string", default: "2" },
  },
});
const [images, rounds, blocks, threads] = [values.images, values.rounds, values.blocks, values.threads].map(
  Number,
) as [number, number, number, number];
const ratios = [1, 0.25, 0.05];

/** Channels, rows and columns of x, kernel, stride. */
const layers: readonly (readonly [number, number, number, number])[] = [
  [32, 112, 3, 1],
  [96, 112, 3, 2],
  [144, 56, 3, 1],
  [144, 56, 3, 2],
  [192, 28, 3, 1],
  [192, 28, 3, 2],
  [384, 14, 3, 1],
  [576, 14, 3, 1],
  [576, 14, 3, 2],
  [960, 7, 3, 1],
  [240, 28, 5, 1],
  [672, 14, 5, 1],
  [672, 14, 5, 2],
  [960, 7, 5, 1],
];

const peer = await TorchPeer.start("torch_depthwise.py", [], threads);
if (typeof peer === "string") console.log(`PyTorch left out: ${peer}`);
/** Milliseconds after which the threads of the side before have gone to sleep. */
const pause = 50;
/** Bytes between two runs with the same operands. */
const apart = 2 ** 29;
const line = ([layer = "", ...cells]: readonly string[]): void =>
  console.log(layer.padEnd(20) + cells.map((cell) => cell.padStart(13)).join(""));

line([
  "channels, size, k, s",
  ...ratios.map((ratio) => `r = ${ratio}`),
  "torch",
  ...ratios.map((ratio) => `${ratio} / torch`),
]);
for (const [channels, size, kernel, stride] of layers) {
  const outputs = Math.floor((size - 1) / stride) + 1;
  const [xShape, yShape] = [
    [images, channels, size, size],
    [images, channels, outputs, outputs],
  ];
  const operands = copies(randomOf(xShape), randomOf(yShape));
  const ours: Contestant[] = [];
  for (const ratio of ratios) {
    const rows = ints(Array.from({ length: Math.max(1, Math.round(ratio * channels)) }, (_, row) => row));
    const once = async (form: string | undefined): Promise<number> => {
      const session = await openGradient(xShape, yShape, kernel, stride, taking(form));
      const taken = await timed(session, operands, rows);
      await session.release();
      return taken;
    };
    const trials = await interleave(
      (await formsOf(xShape, yShape, kernel, stride)).map((name) => ({ name, once: () => once(name) })),
      1,
    );
    const [[form] = []] = [...trials].sort(([, [a = 0]], [, [b = 0]]) => a - b);
    ours.push({ name: String(ratio), once: () => once(form) });
  }
  const theirs: Contestant[] =
    typeof peer === "string"
      ? []
      : [
          {
            name: "torch",
            once: async () => {
              const { ms } = await peer.request({ images, channels, size, kernel, stride, rounds, apart });
              await setTimeout(pause);
              return ms;
            },
          },
        ];
  const times = await interleave([...ours, ...theirs], blocks);
  const ms = (name: string): number => median(times.get(name) ?? []);
  line([
    `${channels}, ${size}, ${kernel}, ${stride}`,
    ...ratios.map((ratio) => ms(String(ratio)).toFixed(2)),
    ms("torch").toFixed(2),
    ...ratios.map((ratio) => `${(ms(String(ratio)) / ms("torch")).toFixed(2)}x`),
  ]);
}
if (typeof peer !== "string") peer.stop();

interface Operands {
  x: Tensor;
  dy: Tensor;
}

/** As many copies of the operands as are run with before the first may come again. */
function copies(x: Tensor, dy: Tensor): Operands[] {
  const count = Math.min(rounds + 1, Math.ceil(apart / (x.bytes.length + dy.bytes.length)) + 1);
  const copy = (tensor: Tensor): Tensor => ({ ...tensor, bytes: tensor.bytes.slice() });
  return Array.from({ length: count }, () => ({ x: copy(x), dy: copy(dy) }));
}

/** Median milliseconds of the rounds after the first. */
async function timed(session: Session, operands: readonly Operands[], rows: Tensor): Promise<number> {
  const taken: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    const { x, dy } = operands[round % operands.length] as Operands;
    const start = performance.now();
    await session.run({ x, dy, rows });
    if (round > 0) taken.push(performance.now() - start);
  }
  return median(taken);
}

/** Takes one form of a depthwise weight gradient. */
function taking(form: string | undefined): Forms {
  return {
    answer: ({ decision, forms, guess }) =>
      decision === "depthwise-weight" && form !== undefined && forms.includes(form) ? form : guess,
  };
}

/** The forms that a trial would compare. */
async function formsOf(x: number[], y: number[], kernel: number, stride: number): Promise<string[]> {
  const asked: Question[] = [];
  const answer = (question: Question): string => {
    asked.push(question);
    return guessedForms.answer(question);
  };
  const session = await openGradient(x, y, kernel, stride, { answer });
  await session.release();
  return asked.flatMap(({ decision, forms }) => (decision === "depthwise-weight" ? forms : []));
}

/** A session that computes dw of the rows it is given. */
function openGradient(
  x: number[],
  y: number[],
  kernel: number,
  stride: number,
  forms: Forms,
): Promise<Session> {
  const graph = createGraph("depthwise");
  graph.inputs = [
    createValue("x", "float32", x),
    createValue("dy", "float32", y),
    createValue("rows", "int64", ["R"]),
  ];
  const pad = [kernel >> 1, kernel >> 1];
  const window = {
    ...{ kernel: [kernel, kernel], strides: [stride, stride], dilations: [1, 1] },
    ...{ padBegin: pad, padEnd: pad },
  };
  new Emitter(graph).op(
    "ConvWeightGrad",
    ["x", "dy", "rows"],
    { ...windowAttributes(window), x_shape: x, y_shape: y, group: x[1] as number },
    { domain: gradientDomain, outputs: ["dw"] },
  );
  graph.outputs = [createValue("dw", "float32", undefined)];
  const lowered = lowerGradientNodes(graph, { portable: false, forms });
  return openSession(createModel(lowered.graph, 17, [["com.microsoft", 1]]), {
    threads,
    memoryPattern: false,
  });
}

function randomOf(shape: readonly number[]): Tensor {
  const count = shape.reduce((product, dim) => product * dim, 1);
  return floats(Float32Array.from({ length: count }, Math.random), shape);
}
