import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import type { ModelInput } from "../data/model-input.ts";
import {
  applyInputShapes,
  type BatchAxes,
  type InputShapes,
  nameOpenDims,
  tensorTypeOf,
} from "../passes/bind-inputs.ts";
import { requiredInputs } from "../ir/value-types.ts";
import type { Model, Value } from "../ir/model.ts";
import { loadModel } from "../onnx/index.ts";
import { type DataType, isFloat } from "../tensor/data-type.ts";
import { elementCount } from "../tensor/tensor.ts";
import type { ModelSection } from "../report/report-data.ts";
import { weightBytes } from "../runtime/open-model.ts";
import { namedValues } from "../named-values.ts";

/** The model a command works on, as it is in its file. */
export interface Source {
  path: string;
  sha256: string;
  /** Size of the file and its external data. */
  bytes: number;
  model: Model;
}

/** Loads a model, with the given shapes of its inputs, and what identifies it. */
export async function readSource(path: string, inputShapes: InputShapes = {}): Promise<Source> {
  const loaded = await loadModel(path);
  const inputs = applyInputShapes(loaded.graph, inputShapes);
  const shaped = new Map(inputs.map((input) => [input.name, input]));
  const model: Model = {
    ...loaded,
    graph: { ...loaded.graph, inputs: loaded.graph.inputs.map((input) => shaped.get(input.name) ?? input) },
  };
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash);
  const { size } = await stat(path);
  const weights = weightBytes(model);
  return { path, sha256: hash.digest("hex"), bytes: weights > size ? size + weights : size, model };
}

/**
 * The inputs that data must feed; initializers that are listed as inputs are left out. `batchAxes`: the dimension that
 * holds the batch, by name, where the symbols do not tell.
 */
export function dataInputs({ graph }: Model, batchAxes: BatchAxes = {}): ModelInput[] {
  const { inputs, batch } = nameOpenDims(requiredInputs(graph), batchAxes);
  return inputs.map((input) => {
    const { dtype, shape = [] } = tensorTypeOf(input);
    const asked = Object.hasOwn(batchAxes, input.name) ? batchAxes[input.name] : undefined;
    const own = asked ?? (batch === undefined ? undefined : shape.indexOf(batch));
    return {
      name: input.name,
      dtype: fedType(dtype),
      shape,
      ...(own === undefined ? {} : { batchAxis: own }),
    };
  });
}

/** Floats of every width are fed as float32, and converted where a model takes others. */
const fedType = (dtype: DataType): DataType => (isFloat(dtype) ? "float32" : dtype);

/** The report's section on a model file. */
export function describeSource({ path, sha256, bytes, model }: Source): ModelSection {
  const { graph } = model;
  const operators = namedValues<number>();
  for (const { opType } of graph.nodes) operators[opType] = (operators[opType] ?? 0) + 1;
  const parameters = [...graph.initializers.values()].reduce((sum, { dims }) => sum + elementCount(dims), 0);
  return {
    path,
    sha256,
    bytes,
    producer: [model.producerName, model.producerVersion].filter((part) => part !== "").join(" "),
    opset: model.opsets.get("") ?? 0,
    nodes: graph.nodes.length,
    parameters,
    ...portsOf(model),
    operators,
  };
}

/** Inputs and outputs of a model, as a report tells them. */
export const portsOf = ({ graph }: Model): Pick<ModelSection, "inputs" | "outputs"> => ({
  inputs: requiredInputs(graph).map(describeValue),
  outputs: graph.outputs.map(describeValue),
});

function describeValue({ name, type }: Value): ModelSection["outputs"][number] {
  if (type?.kind !== "tensor") return { name, type: type?.kind ?? "unknown", shape: [] };
  return { name, type: type.dtype, shape: (type.shape ?? []).map((dim) => dim ?? "?") };
}
