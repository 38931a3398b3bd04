import { tensorType } from "../ir/graph.ts";
import type { Dim, Model, TensorValueType } from "../ir/model.ts";
import {
  applyInputShapes,
  bindSymbols,
  type InputShapes,
  nameOpenDims,
  tensorTypeOf,
} from "./bind-inputs.ts";
import { findProbes, type Probes } from "./find-probes.ts";
import type { StaticTypeOptions } from "./infer-static-types.ts";
import { TypeMemo } from "./type-memo.ts";

export interface InferOptions extends StaticTypeOptions {
  inputShapes?: InputShapes | undefined;
  /** Sizes of the open dimensions at which the model runs; found where not given. */
  probes?: Probes | undefined;
  /** What is inferred already. */
  memo?: TypeMemo | undefined;
}

/**
 * The type of every tensor value of the top-level graph: its inputs and all node outputs, found by ONNX Runtime.
 * Dimensions of inputs may be open: shapes are then inferred at several sizes, and a dimension that follows one of
 * the symbols is that symbol ("N"), or a multiple of it ("N*4"), or undefined where it follows otherwise.
 * Values inside subgraphs are not listed.
 */
export async function inferTypes(
  model: Model,
  options: InferOptions = {},
): Promise<Map<string, TensorValueType>> {
  const memo = options.memo ?? new TypeMemo();
  const { inputs, symbols } = nameOpenDims(applyInputShapes(model.graph, options.inputShapes));
  const types = new Map(inputs.map((input) => [input.name, tensorTypeOf(input)]));
  const inner =
    symbols.length === 0
      ? await memo.infer(model, inputs, options)
      : await inferOpenTypes(model, options.probes ?? (await findProbes(model, undefined, memo)), memo);
  for (const [name, type] of inner) types.set(name, type);
  return types;
}

async function inferOpenTypes(
  model: Model,
  { base, variants }: Probes,
  memo: TypeMemo,
): Promise<Map<string, TensorValueType>> {
  const { inputs } = nameOpenDims(applyInputShapes(model.graph));
  const types = await memo.infer(model, bindSymbols(inputs, base));
  const open = new Map([...types].map(([name, type]) => [name, type.shape]));
  const first = new Map(open);
  for (const { symbol, sizes } of variants) {
    const other = await memo.infer(model, bindSymbols(inputs, sizes));
    const change = { symbol, from: base.get(symbol) ?? 1, to: sizes.get(symbol) ?? 1 };
    for (const [name, shape] of open)
      open.set(name, mergeShapes(shape, first.get(name), other.get(name)?.shape, change));
  }
  return new Map([...types].map(([name, { dtype }]) => [name, tensorType(dtype, open.get(name))]));
}

/** How one symbol was changed between two inferences. */
interface Change {
  symbol: string;
  from: number;
  to: number;
}

/** `known` with what another size of one symbol shows: `before` and `after` are the shapes at the two sizes. */
function mergeShapes(
  known: readonly Dim[] | undefined,
  before: readonly Dim[] | undefined,
  after: readonly Dim[] | undefined,
  change: Change,
): Dim[] | undefined {
  if (known === undefined || before === undefined || after?.length !== known.length) return undefined;
  return known.map((dim, i) => {
    if (before[i] === after[i]) return dim;
    // A dimension that follows two symbols is neither's multiple.
    return typeof dim === "number" ? followed(before[i], after[i], change) : undefined;
  });
}

function followed(before: Dim, after: Dim, { symbol, from, to }: Change): Dim {
  if (typeof before !== "number" || typeof after !== "number") return undefined;
  const multiple = before / from;
  if (!Number.isInteger(multiple) || multiple * to !== after) return undefined;
  return multiple === 1 ? symbol : `${symbol}*${multiple}`;
}
