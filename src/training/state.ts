import { InternalError } from "../errors.ts";
import { elementCount, type Tensor, tensorOf, viewAs } from "../tensor/tensor.ts";
import { namedValues } from "../named-values.ts";

/**
 * Everything that training changes, by the names of the graphs' inputs: codes, scales, zero points, trained
 * rows and their latents, float parameters, optimizer state. What a checkpoint stores, whole.
 */
export type TrainingState = Map<string, Tensor>;

/** The state tensor of that name; its absence is a bug or a foreign checkpoint, which reading has ruled out. */
export function stateTensor(state: ReadonlyMap<string, Tensor>, name: string): Tensor {
  const tensor = state.get(name);
  if (tensor === undefined) throw new InternalError(`the training state has no tensor "${name}"`);
  return tensor;
}

/** Tensors by name, in either of two forms. */
/** Tensors by name. */
export type Tensors = ReadonlyMap<string, Tensor> | Readonly<Record<string, Tensor>>;

const named = (source: Tensors, name: string): Tensor | undefined =>
  isMap(source) ? source.get(name) : Object.hasOwn(source, name) ? source[name] : undefined;

const isMap = (source: Tensors): source is ReadonlyMap<string, Tensor> => source instanceof Map;

/** A tensor for every input of a graph: from the first of the sources that has it. That none has it is a bug. */
export function feedsFor(
  graph: { readonly inputs: readonly { name: string }[] },
  ...sources: readonly Tensors[]
): Record<string, Tensor> {
  const feeds = namedValues<Tensor>();
  for (const { name } of graph.inputs) {
    const found = sources.map((source) => named(source, name)).find((tensor) => tensor !== undefined);
    if (found === undefined) throw new InternalError(`nothing feeds the graph's input "${name}"`);
    feeds[name] = found;
  }
  return feeds;
}

/** A float32 tensor of zeros. */
export const zeros = (dims: readonly number[]): Tensor =>
  tensorOf("float32", dims, new Float32Array(elementCount(dims)));

/** The value of a float32 scalar of the state. */
export function stateNumber(state: ReadonlyMap<string, Tensor>, name: string): number {
  return viewAs(stateTensor(state, name), "float32")[0] as number;
}

/** A copy whose tensors share no memory with the original, which goes on changing in place. */
export function copyState(state: ReadonlyMap<string, Tensor>): TrainingState {
  return new Map(
    Array.from(state, ([name, tensor]) => [name, { ...tensor, bytes: new Uint8Array(tensor.bytes) }]),
  );
}
