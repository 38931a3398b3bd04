import { calibrate } from "../../src/calibration/calibrate.ts";
import type { Dataset } from "../../src/data/dataset.ts";
import { type ExportedModel, exportModel, type ExportOptions } from "../../src/export/export-model.ts";
import type { Emitter } from "../../src/ir/emit.ts";
import type { Model } from "../../src/ir/model.ts";
import { prepareModel } from "../../src/passes/prepare.ts";
import type { PlanOptions } from "../../src/quantization/options.ts";
import { computeState, observedTensors } from "../../src/quantization/parameters.ts";
import { planQuantization } from "../../src/quantization/plan.ts";
import type { QuantizationPlan, QuantizationState } from "../../src/quantization/types.ts";
import { elementCount, floats, type Tensor } from "../../src/tensor/tensor.ts";
import { randomTensor } from "./random-tensor.ts";

/** A data set of `length` samples, each input uniform in [low, high). */
export function randomDataset(
  inputs: Readonly<Record<string, readonly number[]>>,
  length = 16,
  [low, high]: readonly [number, number] = [-1, 1],
): Dataset {
  const samples = Object.entries(inputs).map(
    ([name, dims], i) => [name, dims, randomTensor([length, ...dims], 77 + i, low, high)] as const,
  );
  return tensorDataset(Object.fromEntries(samples.map(([name, , tensor]) => [name, tensor])));
}

/** A data set over float32 tensors, samples first. */
export function tensorDataset(inputs: Readonly<Record<string, Tensor>>): Dataset {
  const length = Object.values(inputs)[0]?.dims[0] ?? 0;
  return {
    name: "test data",
    length,
    hasLabels: false,
    read: async (indices) => ({
      size: indices.length,
      inputs: Object.fromEntries(
        Object.entries(inputs).map(([name, tensor]) => [name, takeRows(tensor, indices)]),
      ),
    }),
    describe: () => ({}),
  };
}

function takeRows({ dims, bytes }: Tensor, indices: ArrayLike<number>): Tensor {
  const rest = dims.slice(1);
  const size = elementCount(rest);
  const source = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  const rows = Array.from(indices).flatMap((row) => [...source.subarray(row * size, (row + 1) * size)]);
  return floats(rows, [indices.length, ...rest]);
}

export interface QuantizedCase {
  prepared: Model;
  plan: QuantizationPlan;
  state: QuantizationState;
  exported: ExportedModel;
  dataset: Dataset;
}

/** Prepares, plans, calibrates and exports a small model. */
export async function quantizeCase(
  model: Model,
  dataset: Dataset,
  options: PlanOptions & Pick<ExportOptions, "int4"> = {},
): Promise<QuantizedCase> {
  const prepared = await prepareModel(model);
  const plan = planQuantization(prepared, options);
  const formats = observedTensors(plan);
  const ranges = await calibrate(prepared, formats.keys(), dataset, { formats, threads: 1 });
  const state = computeState(prepared, plan, ranges);
  const { int4 } = options;
  const exported = await exportModel(prepared, plan, state, new Map(), int4 === undefined ? {} : { int4 });
  return { prepared, plan, state, exported, dataset };
}

/** Appends a Conv with random weights (and bias) and returns its output. */
export function emitConv(
  emit: Emitter,
  x: string,
  dims: readonly number[],
  options: { bias?: boolean; output?: string; attributes?: Record<string, number | number[]> } = {},
): string {
  const seed = emit.graph.nodes.length * 13 + 5;
  const name = emit.fresh("conv");
  emit.graph.initializers.set(`${name}.weight`, randomTensor(dims, seed, -0.5, 0.5));
  const inputs = [x, `${name}.weight`];
  if (options.bias !== false) {
    emit.graph.initializers.set(`${name}.bias`, randomTensor([dims[0] as number], seed + 1, -0.3, 0.3));
    inputs.push(`${name}.bias`);
  }
  const output = options.output ?? `${name}.out`;
  return emit.op("Conv", inputs, options.attributes ?? { pads: [1, 1, 1, 1] }, {
    name: `${name}/Conv`,
    outputs: [output],
  });
}
