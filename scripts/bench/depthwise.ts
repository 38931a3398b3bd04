/**
 * npm run bench:depthwise [-- --images 16 --rounds 15 --blocks 3 --threads 2]
 *
 * Times the weight gradients of depthwise convolutions, those of MobileNetV2 at 224x224 and some of 5x5, with all rows
 * trained and with few, in turn with PyTorch's of all rows (EFQAT_PYTHON names the interpreter). Runs take turns among
 * copies of the operands that no cache holds together, one run right after the other: as in a training step, operands lie
 * in memory and threads are awake. The algorithm is, as in a run of optimize, the one that a trial finds fastest. The waiting
 * threads of one side slow down the other, so that each takes its rounds in a row, with a session of its own; then all
 * start over.
 */
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Emitter } from "../../src/ir/emit.ts";
import { createGraph } from "../../src/ir/graph.ts";
import type { Model, Node } from "../../src/ir/model.ts";
import { gradientDomain, windowAttributes } from "../../src/ops/gradient-nodes.ts";
import { openSession } from "../../src/runtime/open-model.ts";
import type { Session } from "../../src/runtime/session.ts";
import { floats, ints, type Tensor } from "../../src/tensor/tensor.ts";
import { type Variant, variantsOf } from "../../src/training/costs/algorithm-variants.ts";
import { loadsNchwc } from "../../src/training/costs/loads-nchwc.ts";
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

const target = { opset: 17, portable: false, nchwc: await loadsNchwc() };
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
  const variants = variantsOf(weightGradient(xShape, yShape, kernel, stride), target);
  const ours: Contestant[] = [];
  for (const ratio of ratios) {
    const rows = ints(Array.from({ length: Math.max(1, Math.round(ratio * channels)) }, (_, row) => row));
    const once = async (model: Model): Promise<number> => {
      const session = await openSession(model, { threads, memoryPattern: false });
      const taken = await timed(session, operands, rows);
      await session.release();
      return taken;
    };
    const trials = await interleave(
      variants.map(({ model }, index) => ({ name: String(index), once: () => once(model) })),
      1,
    );
    const [[fastest] = []] = [...trials].sort(([, [first = 0]], [, [second = 0]]) => first - second);
    const { model } = variants[Number(fastest)] as Variant;
    ours.push({ name: String(ratio), once: () => once(model) });
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

/** The abstract node of dw for some rows. */
function weightGradient(x: number[], y: number[], kernel: number, stride: number): Node {
  const pad = [kernel >> 1, kernel >> 1];
  const window = {
    kernel: [kernel, kernel],
    strides: [stride, stride],
    dilations: [1, 1],
    padBegin: pad,
    padEnd: pad,
  };
  const graph = createGraph("depthwise");
  new Emitter(graph).op(
    "ConvWeightGrad",
    ["x", "dy", "rows"],
    { ...windowAttributes(window), x_shape: x, y_shape: y, group: x[1] as number },
    { domain: gradientDomain, outputs: ["dw"] },
  );
  return graph.nodes[0] as Node;
}

function randomOf(shape: readonly number[]): Tensor {
  const count = shape.reduce((product, dim) => product * dim, 1);
  return floats(Float32Array.from({ length: count }, Math.random), shape);
}
