import { modelError, usageError } from "../errors.ts";
import { bindOpen, requiredInputs } from "../ir/value-types.ts";
import type { Dim, Graph, TensorValueType, Value } from "../ir/model.ts";

/** Shapes that a user gives for model inputs; a dimension of -1 stays as the model has it. */
export type InputShapes = Readonly<Record<string, readonly number[]>>;

/** The inputs with the user's shapes put in. Throws a usage error on an unknown name or a contradiction. */
export function applyInputShapes(graph: Graph, shapes: InputShapes = {}): Value[] {
  const inputs = requiredInputs(graph);
  for (const name of Object.keys(shapes)) {
    if (inputs.some((input) => input.name === name)) continue;
    throw usageError(
      "input-shape",
      `The model has no input "${name}"; it has: ${inputs.map((input) => input.name).join(", ")}`,
      "--input-shape",
      "Use one of these names.",
    );
  }
  return inputs.map((input) => {
    const given = Object.hasOwn(shapes, input.name) ? shapes[input.name] : undefined;
    return given === undefined ? input : withShape(input, given);
  });
}

function withShape(input: Value, given: readonly number[]): Value {
  const type = tensorTypeOf(input);
  const declared = type.shape ?? given.map(() => undefined);
  const fits =
    declared.length === given.length &&
    declared.every((dim, i) => typeof dim !== "number" || given[i] === -1 || dim === given[i]);
  if (!fits) {
    throw usageError(
      "input-shape",
      `Input "${input.name}" has shape [${describeShape(declared)}], which [${given.join(", ")}] contradicts`,
      "--input-shape",
      "Give as many dimensions as the model has; only dimensions that it leaves open can be chosen.",
    );
  }
  const shape = declared.map((dim, i) => (given[i] === -1 ? dim : given[i]));
  return { ...input, type: { ...type, shape } };
}

/** The tensor type of an input; throws where it is a sequence, a map or undeclared. */
export function tensorTypeOf(input: Value): TensorValueType {
  if (input.type?.kind === "tensor") return input.type;
  throw modelError(
    "input-type",
    `Input "${input.name}" is ${input.type === undefined ? "of undeclared type" : `a ${input.type.kind}`}; only tensor inputs can be used`,
    input.name,
    "Export the model with tensor inputs.",
  );
}

/**
 * The symbol of the batch dimension: the open first dimension that the inputs share, or undefined when all
 * shapes are fixed. Any other open dimension is an error that asks for --input-shape.
 */
export function batchSymbol(inputs: readonly Value[]): string | undefined {
  let symbol: string | undefined;
  let found = false;
  for (const input of inputs) {
    const shape = tensorTypeOf(input).shape;
    if (shape === undefined || shape.slice(1).some((dim) => typeof dim !== "number"))
      throw openShape(input, shape);
    if (shape.length === 0 || typeof shape[0] === "number") continue;
    found = true;
    symbol ??= shape[0];
  }
  if (!found) return undefined;
  return symbol === undefined || symbol === "" ? "batch" : symbol;
}

function openShape(input: Value, shape: readonly Dim[] | undefined): Error {
  const example = shape?.map((dim, i) => (typeof dim === "number" ? dim : i === 0 ? 1 : 224)) ?? [
    1, 3, 224, 224,
  ];
  return modelError(
    "open-shape",
    shape === undefined
      ? `Input "${input.name}" declares no shape`
      : `Input "${input.name}" has shape [${describeShape(shape)}]; only its first dimension, the batch, may be open`,
    input.name,
    `Fix the other dimensions, for example --input-shape ${input.name}=${example.join(",")}.`,
  );
}

/** The inputs with every open first dimension set to `batch`, a size or a symbol. */
export function bindBatch(inputs: readonly Value[], batch: Dim): Value[] {
  return inputs.map((input) => {
    const type = tensorTypeOf(input);
    return { ...input, type: { ...type, shape: type.shape && bindOpen(type.shape, batch) } };
  });
}

function describeShape(shape: readonly Dim[]): string {
  return shape.map((dim) => dim ?? "?").join(", ");
}
