/**
 * Writes four models into a folder that cannot go through, each with samples beside it, for a zoo that is to survive them:
 * a file that ends too early, a graph with a circle, a node that asks for more memory than there is, and a loop without end.
 * All are the network of fixtures/resnet20 but for that.
 *
 *     npx tsx scripts/write-broken-models.ts build/models/broken
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { writeNpz } from "../test/support/write-numpy.ts";
import { randomTensor } from "../test/support/random-tensor.ts";
import { loop } from "../test/support/hostile/bombs.ts";
import { loadModel, saveModel } from "../src/onnx/index.ts";
import { Emitter } from "../src/ir/emit.ts";
import type { Model } from "../src/ir/model.ts";
import { floats, ints } from "../src/tensor/tensor.ts";

const source = "fixtures/resnet20/model.onnx";
const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error("give the folder to write to");
await mkdir(folder, { recursive: true });

/** The network with its input changed by what `build` makes of it. */
async function change(build: (emit: Emitter, input: string) => string): Promise<Model> {
  const model = await loadModel(source);
  const { graph } = model;
  const input = graph.inputs[0]?.name ?? "";
  const before = graph.nodes.length;
  const changed = build(new Emitter(graph), input);
  const added = graph.nodes.splice(before);
  for (const node of graph.nodes) node.inputs = node.inputs.map((name) => (name === input ? changed : name));
  graph.nodes.unshift(...added);
  return model;
}

/** The input plus the mean of something, which is one number. */
const plusMean = (emit: Emitter, input: string, value: string): string =>
  emit.op("Add", [input, emit.op("ReduceMean", [value], { keepdims: 0 })]);

const models: Record<string, () => Promise<Model>> = {
  async cyclic() {
    const model = await loadModel(source);
    const [first, last] = [model.graph.nodes[0], model.graph.nodes.at(-2)];
    if (first !== undefined) first.inputs = [last?.outputs[0] ?? "", ...first.inputs.slice(1)];
    return model;
  },
  /** A value of 14 GB, out of a file that holds two numbers for it. */
  exhausts_memory: () =>
    change((emit, input) => {
      const shape = emit.constant(ints([60_000, 60_000]));
      return plusMean(emit, input, emit.op("Expand", [emit.constant(floats([1], [1])), shape]));
    }),
  hangs: () =>
    change((emit, input) => {
      const start = emit.op("Unsqueeze", [
        emit.op("ReduceMean", [input], { keepdims: 0 }),
        emit.constant(ints([0])),
      ]);
      const end = emit.fresh("end");
      loop(emit, 2n ** 62n, start, [end]);
      return plusMean(emit, input, end);
    }),
};

const samples = randomTensor([32, 1, 28, 28], 1);
const place = async (name: string, input: string): Promise<void> =>
  writeNpz(join(folder, `${name}.npz`), { [input]: samples });
const input = (await loadModel(source)).graph.inputs[0]?.name ?? "";
for (const [name, make] of Object.entries(models)) {
  await saveModel(await make(), join(folder, `${name}.onnx`));
  await place(name, input);
}
const bytes = await readFile(source);
await writeFile(join(folder, "truncated.onnx"), bytes.subarray(0, bytes.length / 2));
await place("truncated", input);
