import type { Model, TensorValueType, Value } from "../ir/model.ts";
import { inferStaticTypes, type StaticTypeOptions } from "./infer-static-types.ts";

/**
 * Inferred types by model and input shapes. Loading a large graph takes seconds, and several passes ask for the same
 * types; a model that no pass has changed is the same object.
 */
export class TypeMemo {
  readonly #known = new WeakMap<Model, Map<string, ReadonlyMap<string, TensorValueType>>>();
  readonly #recorded = new WeakSet<Model>();

  /** {@link inferStaticTypes}, asked once. */
  async infer(
    model: Model,
    inputs: readonly Value[],
    { runLoops = false }: StaticTypeOptions = {},
  ): Promise<ReadonlyMap<string, TensorValueType>> {
    const shapes = inputs.map(({ name, type }) => [name, type?.kind === "tensor" ? type.shape : null]);
    const key = JSON.stringify([shapes, runLoops]);
    const known = this.#known.get(model) ?? new Map<string, ReadonlyMap<string, TensorValueType>>();
    this.#known.set(model, known);
    const types = known.get(key) ?? (await inferStaticTypes(model, inputs, { runLoops }));
    known.set(key, types);
    return types;
  }

  /** Whether the types of a model are in it. */
  isRecorded(model: Model): boolean {
    return this.#recorded.has(model);
  }

  /** Notes that the types of a model are in it. */
  note(model: Model): Model {
    this.#recorded.add(model);
    return model;
  }
}
