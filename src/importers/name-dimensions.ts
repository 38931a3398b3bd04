import type { Dim, Graph, Model, Value } from "../ir/model.ts";

/**
 * The model with names that people know for its open dimensions, in place of those that an exporter made up: "batch" for the
 * first of every input, which all count the same samples, "length" for another one. `openAxes`: by input.
 */
export function nameDimensions(model: Model, openAxes: Readonly<Record<string, readonly number[]>>): Model {
  const names = new Map<string, string>();
  for (const input of model.graph.inputs)
    for (const axis of openAxes[input.name] ?? []) {
      const symbol = dimsOf(input)[axis];
      if (typeof symbol !== "string" || symbol === "" || names.has(symbol)) continue;
      names.set(symbol, axis === 0 ? "batch" : unusedName("length", new Set(names.values())));
    }
  const taken = new Set([...names.values()]);
  if (valuesOf(model.graph).some((value) => dimsOf(value).some((dim) => isForeign(dim, names, taken))))
    return model;
  return { ...model, graph: renameIn(model.graph, names) };
}

/** Whether a symbol of the file itself is one of the new names. */
const isForeign = (dim: Dim, names: ReadonlyMap<string, string>, taken: ReadonlySet<string>): boolean =>
  typeof dim === "string" && taken.has(dim) && !names.has(dim);

const valuesOf = ({ inputs, outputs, valueInfo }: Graph): Value[] => [
  ...inputs,
  ...outputs,
  ...valueInfo.values(),
];

const dimsOf = ({ type }: Value): Dim[] => (type?.kind === "tensor" ? (type.shape ?? []) : []);

function unusedName(base: string, used: ReadonlySet<string>): string {
  let name = base;
  for (let next = 2; used.has(name); next++) name = `${base}_${next}`;
  return name;
}

/** Symbols stand alone or within expressions ("s77 + 1"). */
function renameIn(graph: Graph, names: ReadonlyMap<string, string>): Graph {
  const rename = (dim: Dim): Dim =>
    typeof dim === "string" ? dim.replace(/[A-Za-z_]\w*/g, (word) => names.get(word) ?? word) : dim;
  const renamed = (value: Value): Value =>
    value.type?.kind === "tensor" && value.type.shape !== undefined
      ? { ...value, type: { ...value.type, shape: value.type.shape.map(rename) } }
      : value;
  return {
    ...graph,
    inputs: graph.inputs.map(renamed),
    outputs: graph.outputs.map(renamed),
    valueInfo: new Map(Array.from(graph.valueInfo, ([name, value]) => [name, renamed(value)])),
  };
}
