import type { DataType } from "../tensor/data-type.ts";
import { intOf } from "./attributes.ts";
import { indexGraph, type GraphIndex, readNames } from "./graph.ts";
import type { Dim, Graph, Model, Node } from "./model.ts";
import { finalOperators, hintOf, isNormalised, type Hint } from "./output-hints.ts";
import { requiredInputs, shapeOf, typeOf } from "./value-types.ts";

/**
 * What the numbers of a model output mean, as far as the graph tells:
 * class scores before or after a Softmax or LogSoftmax; vectors (features [samples, width], or [samples, 1]); anything
 * larger; whole numbers and truth values; values that depend on no input; what is no tensor of numbers.
 */
export type OutputKind =
  | "logits"
  | "probabilities"
  | "log-probabilities"
  | "features"
  | "sequence"
  | "map"
  | "integers"
  | "constant"
  | "other";

/** A model output and what is known of it. */
export interface OutputFacts {
  name: string;
  dtype: DataType | undefined;
  shape: readonly Dim[] | undefined;
  kind: OutputKind;
  /** The axis whose entries are classes, of logits and probabilities. */
  classAxis?: number;
  /** The kind follows from the graph or from labels; otherwise it is what such an output mostly is. */
  certain: boolean;
  /** Why it is taken for that, for the report. */
  because: string;
}

const floatTypes: ReadonlySet<DataType | undefined> = new Set<DataType>(["float32", "float16", "float64"]);
const integerTypes: ReadonlySet<DataType | undefined> = new Set<DataType>([
  ...(["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"] as const),
]);

/** Operators that hand a value on: as it is, in other numbers, or in another shape. */
const carriers = new Set(["QuantizeLinear", "DequantizeLinear", "Identity", "Clip", "Cast", "Dropout"]);
const reshapers = new Set(["Flatten", "Reshape", "Squeeze", "Unsqueeze"]);

/** Operators that only make sense on class scores. */
const choosers = new Set(["Softmax", "LogSoftmax", "ArgMax", "TopK", "Hardmax"]);

/**
 * The outputs of a model with their kinds. `labelled` names the output that labels come with: class scores, unless the
 * graph says otherwise.
 */
export function findOutputKinds(
  { graph, opsets }: Pick<Model, "graph" | "opsets">,
  { labelled }: { labelled?: string | undefined } = {},
): OutputFacts[] {
  const search: Search = {
    graph,
    labelled,
    index: indexGraph(graph),
    varying: varyingValues(graph),
    softmaxAxis: (opsets.get("") ?? 13) >= 13 ? -1 : 1,
  };
  return graph.outputs.map(({ name }) => describeOutput(name, search));
}

interface Search {
  graph: Graph;
  index: GraphIndex;
  /** Values that depend on an input. */
  varying: ReadonlySet<string>;
  labelled: string | undefined;
  /** Axis of a Softmax that names none. */
  softmaxAxis: number;
}

function describeOutput(name: string, search: Search): OutputFacts {
  const { graph, varying } = search;
  const type = typeOf(graph, name);
  const dtype = type?.kind === "tensor" ? type.dtype : undefined;
  const shape = shapeOf(graph, name);
  const known = (kind: OutputKind, because: string): OutputFacts => ({
    name,
    dtype,
    shape,
    kind,
    because,
    certain: true,
  });
  if (type === undefined) return { ...known("features", "its type is not declared"), certain: false };
  if (!floatTypes.has(dtype) && !integerTypes.has(dtype)) return known("other", "it is no tensor of numbers");
  if (!varying.has(name)) return known("constant", "it depends on no input");
  if (integerTypes.has(dtype)) return known("integers", `its elements are ${dtype ?? "integers"}`);
  return { name, dtype, shape, ...classify(name, shape, search) };
}

type Verdict = Pick<OutputFacts, "kind" | "certain" | "because" | "classAxis">;

function classify(name: string, shape: readonly Dim[] | undefined, search: Search): Verdict {
  const rank = shape?.length;
  if (isNormalised(name, search.index))
    return { kind: "features", certain: true, because: "it is divided by its norm" };
  const activation = finalActivation(name, search, ["Softmax", "LogSoftmax"]);
  if (activation !== undefined) {
    const kind = activation.opType === "Softmax" ? "probabilities" : "log-probabilities";
    const classAxis = axisOf(activation, rank, search);
    return { kind, classAxis, certain: true, because: `a ${activation.opType} ends it` };
  }
  const chooser = chooserOf(name, search);
  if (chooser !== undefined && rank !== undefined)
    return logits(axisOf(chooser, rank, search), true, `${chooser.opType} "${chooser.name}" reads it`);
  if (rank === 2 && shape?.[1] !== 1) return classifyVector(name, shape?.[1], search);
  const named = hintOf(name);
  if (rank !== undefined && rank > 2 && named?.kind === "logits")
    return logits(rank === 3 ? 2 : 1, false, named.because);
  const kind = rank === 3 ? "sequence" : rank !== undefined && rank > 3 ? "map" : "features";
  return { kind, certain: true, because: `its shape is [${(shape ?? ["unknown"]).map(dimText).join(", ")}]` };
}

const dimText = (dim: Dim): string => (dim === undefined || dim === "" ? "?" : String(dim));

const logits = (classAxis: number, certain: boolean, because: string): Verdict => ({
  kind: "logits",
  classAxis,
  certain,
  because,
});

/** The axis along which a node compares classes, counted from the front where the rank is known. */
function axisOf(node: Node, rank: number | undefined, { softmaxAxis }: Search): number {
  const usual = node.opType === "ArgMax" ? 0 : node.opType === "TopK" ? -1 : softmaxAxis;
  const axis = intOf(node, "axis", usual);
  return axis < 0 && rank !== undefined ? axis + rank : axis;
}

/** Class scores or features: [samples, width]. */
function classifyVector(name: string, width: Dim, search: Search): Verdict {
  const { graph, labelled } = search;
  const features = (certain: boolean, because: string): Verdict => ({ kind: "features", certain, because });
  if (labelled === name) return logits(1, true, "the data have labels");
  const last = producerOf(name, search, (node) => carriers.has(node.opType) || reshapers.has(node.opType));
  const hint: Hint = hintOf(name) ?? finalOperators(last, width, requiredInputs(graph), graph);
  return hint.kind === "logits" ? logits(1, false, hint.because) : features(false, hint.because);
}

/** The node of one of these operators that an output comes out of, where nothing but carriers is behind it. */
export function finalActivation(
  name: string,
  { index }: { index: GraphIndex },
  operators: readonly string[],
): Node | undefined {
  const node = producerOf(name, { index }, ({ opType }) => carriers.has(opType));
  return node !== undefined && operators.includes(node.opType) ? node : undefined;
}

/** The node that makes a value, seen through nodes that `through` lets pass. */
function producerOf(
  name: string,
  { index }: { index: GraphIndex },
  through: (node: Node) => boolean,
): Node | undefined {
  let node = index.producer.get(name);
  while (node !== undefined && through(node)) node = index.producer.get(node.inputs[0] ?? "");
  return node;
}

/** A node that takes an output's values for class scores. */
function chooserOf(name: string, { index }: Search): Node | undefined {
  const producer = index.producer.get(name);
  const same = producer !== undefined && carriers.has(producer.opType) ? [name, ...producer.inputs] : [name];
  return same
    .flatMap((value) => index.consumers.get(value) ?? [])
    .find((node) => choosers.has(node.opType) && same.includes(node.inputs[0] ?? ""));
}

/** Values that depend on an input of the graph. */
function varyingValues(graph: Graph): Set<string> {
  const varying = new Set(requiredInputs(graph).map(({ name }) => name));
  for (const node of graph.nodes) {
    const random = node.opType.startsWith("Random") || node.opType === "Multinomial";
    if (random || readNames(node).some((name) => varying.has(name)))
      for (const output of node.outputs) varying.add(output);
  }
  return varying;
}
