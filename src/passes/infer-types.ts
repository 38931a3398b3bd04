import { modelError, UserError } from "../errors.ts";
import { tensorType } from "../ir/graph.ts";
import type { Dim, Model, TensorValueType, Value } from "../ir/model.ts";
import { applyInputShapes, batchSymbol, bindBatch, type InputShapes, tensorTypeOf } from "./bind-inputs.ts";
import { inferStaticTypes } from "./infer-static-types.ts";

export interface InferOptions {
  inputShapes?: InputShapes | undefined;
}

/** Two batch sizes that no usual fixed dimension of a network divides or equals by accident. */
const probes = [3, 7] as const;

/**
 * The type of every tensor value of the top-level graph: its inputs and all node outputs, found by ONNX Runtime.
 * The first dimension of inputs may be open: shapes are then inferred at two batch sizes, and a dimension that
 * follows the batch is its symbol ("N"), or a multiple of it ("N*4"), or undefined where it follows otherwise.
 * Throws model/open-shape when another dimension is open. Values inside subgraphs are not listed.
 */
export async function inferTypes(
  model: Model,
  options: InferOptions = {},
): Promise<Map<string, TensorValueType>> {
  const inputs = applyInputShapes(model.graph, options.inputShapes);
  const symbol = batchSymbol(inputs);
  const types = new Map(bindBatch(inputs, symbol).map((input) => [input.name, tensorTypeOf(input)]));
  const inner =
    symbol === undefined
      ? await inferStaticTypes(model, inputs)
      : await inferOpenTypes(model, inputs, symbol);
  for (const [name, type] of inner) types.set(name, type);
  return types;
}

async function inferOpenTypes(
  model: Model,
  inputs: readonly Value[],
  symbol: string,
): Promise<Map<string, TensorValueType>> {
  const small = await atBatch(model, inputs, probes[0]);
  const large = await atBatch(model, inputs, probes[1]);
  const types = new Map<string, TensorValueType>();
  for (const [name, type] of small) {
    const shape = mergeShapes(type.shape, large.get(name)?.shape, symbol);
    types.set(name, tensorType(type.dtype, shape));
  }
  return types;
}

async function atBatch(
  model: Model,
  inputs: readonly Value[],
  batch: number,
): Promise<Map<string, TensorValueType>> {
  try {
    return await inferStaticTypes(model, bindBatch(inputs, batch));
  } catch (error) {
    if (!(error instanceof UserError) || !error.code.startsWith("model/runtime")) throw error;
    // What fails with a single sample as well is not the batch's fault.
    await inferStaticTypes(model, bindBatch(inputs, 1));
    const input = inputs.find((value) => typeof tensorTypeOf(value).shape?.[0] !== "number");
    const example = [1, ...(input === undefined ? [] : (tensorTypeOf(input).shape ?? []).slice(1))].join(",");
    throw modelError(
      "fixed-batch",
      `The model declares an open batch dimension but does not run at batch ${batch}: ${error.message}`,
      input?.name,
      `If it was exported for one batch size only, say so, for example --input-shape ${input?.name}=${example}.`,
      error,
    );
  }
}

function mergeShapes(
  small: readonly Dim[] | undefined,
  large: readonly Dim[] | undefined,
  symbol: string,
): Dim[] | undefined {
  if (small === undefined || large === undefined || small.length !== large.length) return undefined;
  return small.map((dim, i) => mergeDims(dim, large[i], symbol));
}

function mergeDims(small: Dim, large: Dim, symbol: string): Dim {
  if (typeof small !== "number" || typeof large !== "number") return undefined;
  if (small === large) return small;
  const multiple = small / probes[0];
  if (!Number.isInteger(multiple) || multiple * probes[1] !== large) return undefined;
  return multiple === 1 ? symbol : `${symbol}*${multiple}`;
}
