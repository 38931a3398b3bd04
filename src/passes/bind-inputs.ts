import { modelError, usageError } from "../errors.ts";
import { requiredInputs } from "../ir/value-types.ts";
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

/** The inputs of a model with every open dimension named; equal names are equal sizes. */
export interface OpenInputs {
  inputs: Value[];
  /** The symbol of the batch dimension, where it is open. */
  batch: string | undefined;
  /** All symbols, the batch's first. */
  symbols: string[];
}

/** Axes that hold the batch, by input name, where that is not for the symbols to tell. */
export type BatchAxes = Readonly<Record<string, number>>;

/**
 * Names the open dimensions of inputs. The batch is the dimension of a telling name ("batch", "N"), else the open first
 * dimension; open first dimensions of other inputs are the same one, unless their symbol stands elsewhere for
 * something else. Throws where an input declares no shape.
 */
export function nameOpenDims(inputs: readonly Value[], axes: BatchAxes = {}): OpenInputs {
  const shapes = new Map(inputs.map((input) => [input.name, declaredShape(input)]));
  const batch = batchOf(shapes, axes);
  const inner = new Set([...shapes.values()].flatMap((shape) => shape.slice(1).filter(isSymbol)));
  const symbols = new Set<string>(batch === undefined ? [] : [batch]);
  const batchAxisOf = (name: string, shape: readonly Dim[]): number => {
    if (batch === undefined) return -1;
    const own = axes[name] ?? shape.indexOf(batch);
    const [first] = shape;
    return own >= 0 || typeof first === "number" || (isSymbol(first) && inner.has(first)) ? own : 0;
  };
  const named = inputs.map((input) => {
    const declared = shapes.get(input.name) as Dim[];
    const batchAxis = batchAxisOf(input.name, declared);
    const shape = declared.map((dim, axis) => {
      if (typeof dim === "number") return dim;
      const isBatch = batch !== undefined && (axis === batchAxis || dim === batch);
      const symbol = isBatch ? batch : isSymbol(dim) ? dim : `${input.name}.${axis}`;
      symbols.add(symbol);
      return symbol;
    });
    return { ...input, type: { ...tensorTypeOf(input), shape } };
  });
  return { inputs: named, batch, symbols: [...symbols] };
}

const isSymbol = (dim: Dim): dim is string => typeof dim === "string" && dim !== "";

const batchNames = /^(n|b|bs|bsz|batch.*|.*[ _]batch|.*batch_?size.*)$/i;

function batchOf(shapes: ReadonlyMap<string, readonly Dim[]>, axes: BatchAxes): string | undefined {
  const all = [...shapes.values()];
  for (const [name, axis] of Object.entries(axes)) {
    const dim = shapes.get(name)?.[axis];
    // Under a telling name it is found again where only the symbols are left.
    if (typeof dim !== "number") return isSymbol(dim) && batchNames.test(dim) ? dim : "batch";
  }
  const telling = [...all.map(([first]) => first), ...all.flatMap((shape) => shape.slice(1))].find(
    (dim) => isSymbol(dim) && batchNames.test(dim),
  );
  if (isSymbol(telling)) return telling;
  const open = all.find((shape) => shape.length > 0 && typeof shape[0] !== "number");
  return open === undefined ? undefined : isSymbol(open[0]) ? open[0] : "batch";
}

function declaredShape(input: Value): Dim[] {
  const { shape } = tensorTypeOf(input);
  if (shape !== undefined) return shape;
  throw modelError(
    "open-shape",
    `Input "${input.name}" declares no shape`,
    input.name,
    `Give it one, for example --input-shape ${input.name}=1,3,224,224; a dimension of -1 stays open.`,
  );
}

/** The inputs with the given sizes in place of their symbols; symbols without a size stay. */
export function bindSymbols(inputs: readonly Value[], sizes: Sizes): Value[] {
  return inputs.map((input) => {
    const type = tensorTypeOf(input);
    const shape = type.shape?.map((dim) => (isSymbol(dim) ? (sizes.get(dim) ?? dim) : dim));
    return { ...input, type: { ...type, shape } };
  });
}

/** Sizes of open dimensions by their symbols. */
export type Sizes = ReadonlyMap<string, number>;

function describeShape(shape: readonly Dim[]): string {
  return shape.map((dim) => dim ?? "?").join(", ");
}
