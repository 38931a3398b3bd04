import { modelError, usageError } from "../../errors.ts";
import { findOutputKinds } from "../../ir/output-kinds.ts";
import { shapeOf } from "../../ir/value-types.ts";
import { convertElements } from "../../data/convert-elements.ts";
import { namedValues } from "../../named-values.ts";
import { loadModel } from "../../onnx/index.ts";
import { openSession } from "../../runtime/open-model.ts";
import type { AskedMetric, Metric, MetricBatch } from "../../scoring/metrics/metric.ts";
import { readNumbers } from "../../tensor/read-numbers.ts";
import { type Tensor, tensorOf, tensorOfBytes } from "../../tensor/tensor.ts";
import { type BoundInput, bindLossInputs } from "../losses/bind-loss-inputs.ts";
import type { MetricSubject } from "./subject.ts";

/**
 * A metric that is an ONNX model: outputs and targets in, as for a loss, one number out, or one for each sample. Of a number
 * the value is the mean over samples, each fed alone. Higher is better unless its metadata or `:lower` say otherwise.
 */
export async function openModelMetric(
  { text, file = "", variant }: AskedMetric,
  { model, dataset }: MetricSubject,
): Promise<Metric<number>> {
  const metric = await loadModel(file);
  const outputs = findOutputKinds(model).flatMap(({ name, shape, dtype }) =>
    shape === undefined || dtype === undefined ? [] : [{ name, shape: [...shape], type: fedType(dtype) }],
  );
  const { hasLabels, targets } = dataset;
  const inputs = await bindLossInputs(metric.graph, outputs, { hasLabels, targets, file });
  const [output, more] = metric.graph.outputs;
  if (output === undefined || more !== undefined)
    throw modelError("metric", `The metric has ${metric.graph.outputs.length} outputs`, file, "Give it one.");
  const shape = shapeOf(metric.graph, output.name);
  const bySample = shape?.length === 1 && shape[0] !== 1;
  if (shape !== undefined && !bySample && shape.some((dim) => dim !== 1))
    throw modelError(
      "metric",
      `The metric gives [${shape.join(", ")}], and one number or one for each sample is needed`,
      file,
      "End it in a mean over all elements, or over all but the first dimension.",
    );
  const session = await openSession(file, {});
  const read = inputs.flatMap(({ source }) => ("output" in source ? [source.output] : []));
  const run = async (batch: MetricBatch, from: number, size: number): Promise<number[]> => {
    const feeds = namedValues<Tensor>();
    for (const input of inputs) feeds[input.name] = feedOf(input, batch, from, size);
    const result = (await session.run(feeds))[output.name] as Tensor;
    return [...readNumbers(result)];
  };
  return {
    name: text,
    better: betterOf(variant ?? metric.metadata.get("better"), file),
    outputs: [...new Set(read)],
    arrays: inputs.flatMap(({ source }) => (source.from === "data" ? [source.array] : [])),
    fromFloat: inputs.some(({ source }) => source.from === "teacher"),
    async measure(batch) {
      const values: number[] = [];
      const step = bySample ? batch.size : 1;
      for (let from = 0; from < batch.size; from += step) values.push(...(await run(batch, from, step)));
      if (values.length === batch.size) return values;
      throw modelError(
        "metric",
        `The metric gave ${values.length} numbers for ${batch.size} samples`,
        file,
        "Give one number, or one for each sample.",
      );
    },
    release: () => session.release(),
  };
}

/** Floats of every width are compared as float32. */
const fedType = (dtype: BoundInput["type"]): BoundInput["type"] =>
  dtype.includes("float") ? "float32" : dtype;

export function betterOf(given: string | undefined, file: string): "higher" | "lower" {
  if (given === undefined || given === "higher" || given === "lower") return given ?? "higher";
  throw usageError("metric", `What is better is "${given}"`, file, 'Say "higher" or "lower".');
}

/** `size` samples from `from` on of what feeds an input. */
function feedOf({ source, type }: BoundInput, batch: MetricBatch, from: number, size: number): Tensor {
  if (source.from === "labels") {
    const labels = Array.from((batch.labels ?? new Int32Array(0)).subarray(from, from + size), BigInt);
    return convertElements(tensorOf("int64", [size], BigInt64Array.from(labels)), type, "labels");
  }
  const [values, name] =
    source.from === "data"
      ? [batch.targets, source.array]
      : [source.from === "output" ? batch.outputs : batch.reference, source.output];
  const tensor = samplesOf(values?.[name] as Tensor, batch.size, from, size);
  return convertElements(tensor, type, `"${name}"`);
}

/** Some samples of a tensor that has them first; all of one that does not. */
export function samplesOf(tensor: Tensor, all: number, from: number, size: number): Tensor {
  const { dtype, dims, bytes } = tensor;
  if (dims[0] !== all || size === all) return tensor;
  const width = bytes.byteLength / all;
  return tensorOfBytes(dtype, [size, ...dims.slice(1)], bytes.subarray(from * width, (from + size) * width));
}
