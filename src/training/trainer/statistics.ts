import { intOf } from "../../ir/attributes.ts";
import { Emitter } from "../../ir/emit.ts";
import { cloneModel } from "../../ir/clone.ts";
import { createValue } from "../../ir/graph.ts";
import { typeOf } from "../../ir/value-types.ts";
import type { Graph, Model, Node } from "../../ir/model.ts";
import { dropUnused } from "../../passes/remove-unused.ts";
import { withSession } from "../../runtime/open-model.ts";
import type { Session, SessionOptions } from "../../runtime/session.ts";
import { ints, type Tensor, tensorOf, viewAs } from "../../tensor/tensor.ts";
import type { Manifest } from "../artifact/manifest.ts";
import type { LayerStatistics } from "../freezing/importance.ts";
import { feedsFor, type TrainingState } from "../state.ts";
import { GainFisher, type GainStatistics } from "./gain-fisher.ts";

/**
 * The gains' statistics of a few batches. The training graph runs with no row trained, so that no weight gradient is
 * computed. `batches`: inputs and targets; `backwardWeights`: those that the graph may want.
 */
export async function measureGainFisher(
  training: Session,
  manifest: Manifest,
  state: TrainingState,
  batches: AsyncIterable<Record<string, Tensor>>,
  backwardWeights: TrainingState = new Map(),
): Promise<GainStatistics> {
  const noRows = tensorOf("int64", [0], new BigInt64Array(0));
  const rows = new Map(manifest.weights.map((weight) => [weight.rows, noRows]));
  const fisher = new GainFisher(manifest);
  for await (const data of batches)
    fisher.add(
      state,
      await training.run(feedsFor(training, data, rows, backwardWeights, state), fisher.gradients),
    );
  return fisher.means();
}

/** Per input channel of every weight's layer the mean square of what the float model's layer reads, over batches. */
export async function measureInputEnergy(
  float: Model,
  manifest: Manifest,
  options: SessionOptions,
  batches: AsyncIterable<Record<string, Tensor>>,
): Promise<Map<string, LayerStatistics>> {
  const { model, outputs } = energyModel(float, manifest);
  return withSession(model, options, async (session) => {
    const sums = new Map<string, Float64Array>();
    let count = 0;
    for await (const data of batches) {
      const found = await session.run(feedsFor(session, data));
      count++;
      for (const [weight, output] of outputs) {
        const energy = viewAs(found[output] as Tensor, "float32");
        const sum = sums.get(weight) ?? new Float64Array(energy.length);
        energy.forEach((value, channel) => (sum[channel] = (sum[channel] as number) + value));
        sums.set(weight, sum);
      }
    }
    return new Map(
      Array.from(sums, ([name, sum]) => [name, { inputEnergy: sum.map((value) => value / count) }]),
    );
  });
}

/** The float model with the mean squares in place of its outputs, by weight. */
export function energyModel(
  float: Model,
  manifest: Manifest,
): { model: Model; outputs: Map<string, string> } {
  const model = cloneModel(float);
  const { graph } = model;
  const emit = new Emitter(graph);
  emit.prefix = "efqat/energy";
  const opset = model.opsets.get("") ?? 13;
  const nodes = new Map(graph.nodes.map((node) => [node.name, node]));
  const outputs = new Map<string, string>();
  for (const { name, node } of manifest.weights) {
    const reader = nodes.get(node);
    const input = reader?.inputs.find((each) => each !== name);
    const axes = reader === undefined || input === undefined ? undefined : otherAxes(graph, reader, input);
    if (axes === undefined || input === undefined) continue;
    const square = emit.op("Mul", [input, input]);
    const mean =
      opset >= 18
        ? emit.op("ReduceMean", [square, emit.constant(ints(axes), "axes")], { keepdims: 0 })
        : emit.op("ReduceMean", [square], { axes, keepdims: 0 });
    outputs.set(name, mean);
  }
  graph.outputs = [...new Set(outputs.values())].map((name) => createValue(name, "float32", undefined));
  return { model: dropUnused(model), outputs };
}

/** All axes of a layer's input but that of its channels; undefined where its rank is not known. */
function otherAxes(graph: Graph, node: Node, input: string): number[] | undefined {
  const type = typeOf(graph, input);
  const rank = type?.kind === "tensor" ? type.shape?.length : undefined;
  if (rank === undefined) return undefined;
  const convolves = node.opType.startsWith("Conv");
  const transposed = node.opType === "Gemm" && intOf(node, "transA", 0) === 1;
  const channels = convolves ? 1 : transposed ? 0 : rank - 1;
  return Array.from({ length: rank }, (_, axis) => axis).filter((axis) => axis !== channels);
}
