import { cloneModel } from "../ir/clone.ts";
import type { Model, TensorValueType, ValueType } from "../ir/model.ts";
import { modelError } from "../errors.ts";
import { definePass, type Pass } from "./define-pass.ts";
import { inferTypes, type InferOptions } from "./infer-types.ts";

/** Writes the inferred type of every value into the graph: inputs, outputs, value info. */
export function recordTypes(options: InferOptions = {}): Pass {
  return definePass({
    name: "record-types",
    run: async (model) => {
      if (options.memo?.isRecorded(model) === true) return model;
      const typed = withTypes(model, await inferTypes(model, options));
      return options.memo?.note(typed) ?? typed;
    },
  });
}

/** The model with `types` as the types of its inputs, outputs and inner values. */
export function withTypes(model: Model, types: ReadonlyMap<string, TensorValueType>): Model {
  const result = cloneModel(model);
  const { graph } = result;
  for (const port of [...graph.inputs, ...graph.outputs]) {
    const type = types.get(port.name);
    if (type === undefined) continue;
    if (port.type?.kind === "tensor" && port.type.dtype !== type.dtype) {
      throw modelError(
        "type-conflict",
        `"${port.name}" is declared ${port.type.dtype} but its node produces ${type.dtype}`,
        port.name,
        "Export the model again; the file contradicts itself.",
      );
    }
    port.type = { ...port.type, ...withDeclared(type, port.type) };
  }
  const outputs = new Set(graph.outputs.map((value) => value.name));
  for (const name of graph.nodes.flatMap((node) => node.outputs)) {
    const type = types.get(name);
    if (type === undefined || outputs.has(name)) continue;
    graph.valueInfo.set(name, { ...graph.valueInfo.get(name), name, type });
  }
  return result;
}

/** An inferred type, with the declared dimensions of a port where inference found none. */
function withDeclared(type: TensorValueType, declared: ValueType | undefined): TensorValueType {
  const known = declared?.kind === "tensor" ? declared.shape : undefined;
  if (known === undefined) return type;
  if (type.shape === undefined) return { ...type, shape: known };
  if (known.length !== type.shape.length) return type;
  return { ...type, shape: type.shape.map((dim, axis) => dim ?? known[axis]) };
}
