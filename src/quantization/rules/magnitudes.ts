import type { GraphIndex } from "../../ir/graph.ts";
import type { Graph, Node } from "../../ir/model.ts";
import { rowOf } from "../../ops/catalogue/catalogue.ts";
import { weightPortOf } from "../../ops/catalogue/ports.ts";
import type { DataType } from "../../tensor/data-type.ts";
import { elementCount, toNumbers } from "../../tensor/tensor.ts";

/**
 * Spectrograms at the front of audio models: an STFT written as a linear layer with rows of sines and cosines, the sum
 * of its squares, and a square root or a logarithm, often with a product with mel filters in between. A root or a
 * logarithm makes the smallest magnitudes count as much as the largest; the step of a quantizer is set by the largest
 * and loses the small ones. The layers that compute the magnitudes therefore stay float.
 */

/** Most nodes that the search passes from a layer to the root or logarithm of its result. */
const maxDepth = 64;

const powers = "the squares of its result are summed, and a root or a logarithm of them goes on";
const logarithms = "the logarithm of its result is taken";
const loss = "to which the smallest values count as much as the largest, and 8 bits lose those";

/** Operators, besides movements, that pass on all elements with their magnitudes. */
const passThrough = new Set(["Identity", "Neg", "Pad"]);
/** Operators that leave squares and magnitudes as they are, or clip them. */
const bounds = new Set(["Abs", "Clip", "Max", "Min", "Relu"]);
const numeric = new Set<DataType>(["float32", "float64", "int32", "int64"]);
const sums = new Set(["Add", "ReduceMean", "ReduceSum", "Sub", "Sum"]);

/**
 * Layers that must compute in float because a root or a logarithm of magnitudes of their results is taken, with the
 * reason.
 */
export function findMagnitudes(graph: Graph, index: GraphIndex): Map<Node, string> {
  const search = new MagnitudeSearch(graph, index);
  const found = new Map<Node, string>();
  for (const node of graph.nodes.toReversed()) {
    if (!search.isLayer(node)) continue;
    const reason = search.explain(node, found);
    if (reason !== undefined) found.set(node, `${reason}, ${loss}`);
  }
  return found;
}

class MagnitudeSearch {
  readonly #graph: Graph;
  readonly #index: GraphIndex;
  /** Memoized answers by question. */
  readonly #known = new Map<string, unknown>();

  constructor(graph: Graph, index: GraphIndex) {
    this.#graph = graph;
    this.#index = index;
  }

  /** Whether a node is a product with a constant weight. */
  isLayer(node: Node): boolean {
    const port = node.domain === "" && rowOf(node)?.kind === "product" ? weightPortOf(node) : undefined;
    return port !== undefined && this.#graph.initializers.has(node.inputs[port.weight] ?? "");
  }

  explain(node: Node, found: ReadonlyMap<Node, string>): string | undefined {
    const result = node.outputs[0] as string;
    if (this.#leadsToRoot(result, false)) return powers;
    if (this.#leadsToLog(result)) return logarithms;
    const next = this.#filterBehind(result, found);
    return next && `"${next.name}" makes a filterbank of it`;
  }

  /**
   * Whether the squares of a value are summed and reach a root or a logarithm. `squared`: the value is such squares
   * already; one reader that leads there is then enough. A value that is not squared yet needs all its readers to lead
   * there: a layer in front of a normalization, which also divides the value itself, is no spectrogram.
   */
  #leadsToRoot(name: string, squared: boolean, depth = 0): boolean {
    const readers = this.#readersOf(name);
    if (depth > maxDepth || readers.length === 0 || (!squared && this.#index.outputs.has(name))) return false;
    const leads = (reader: Node): boolean => this.#stepToRoot(reader, name, squared, depth + 1);
    return this.#once(`${squared ? "squares" : "values"} ${name}`, () =>
      squared ? readers.some(leads) : readers.every(leads),
    );
  }

  #stepToRoot(reader: Node, name: string, squared: boolean, depth: number): boolean {
    const { opType, outputs } = reader;
    const onwards = (asSquares: boolean): boolean =>
      this.#leadsToRoot(outputs[0] as string, asSquares, depth);
    if (opType === "ReduceL2") return !squared;
    if (opType === "ReduceSumSquare" || isSquare(reader, name) || this.#exponent(reader) === 2)
      return onwards(true);
    if (squared && isRoot(opType, this.#exponent(reader))) return true;
    if (this.#keepsSize(reader, name) || sums.has(opType)) return onwards(squared);
    if (!squared) return false;
    return this.isLayer(reader)
      ? this.#leadsToLog(outputs[0] as string)
      : bounds.has(opType) && onwards(true);
  }

  /**
   * Whether every reader of a value takes its logarithm, directly or after clipping, moving, scaling or an added
   * constant.
   */
  #leadsToLog(name: string, depth = 0): boolean {
    const readers = this.#readersOf(name);
    if (depth > maxDepth || readers.length === 0 || this.#index.outputs.has(name)) return false;
    const leads = (reader: Node): boolean => {
      if (reader.opType === "Log") return true;
      const goesOn = this.#keepsSize(reader, name) || bounds.has(reader.opType) || this.#addsConstant(reader);
      return goesOn && this.#leadsToLog(reader.outputs[0] as string, depth + 1);
    };
    return this.#once(`logarithm ${name}`, () => readers.every(leads));
  }

  /**
   * A layer of `found` to which every reader of a value leads, through movements and scaling only; undefined if some
   * reader leads elsewhere.
   */
  #filterBehind(name: string, found: ReadonlyMap<Node, string>, depth = 0): Node | undefined {
    const readers = this.#readersOf(name);
    if (depth > maxDepth || readers.length === 0 || this.#index.outputs.has(name)) return undefined;
    const behind = (reader: Node): Node | undefined => {
      if (this.isLayer(reader)) return found.has(reader) ? reader : undefined;
      return this.#keepsSize(reader, name)
        ? this.#filterBehind(reader.outputs[0] as string, found, depth + 1)
        : undefined;
    };
    return this.#once(`filterbank ${name}`, () => {
      const filters = readers.map(behind);
      return filters.includes(undefined) ? undefined : filters[0];
    });
  }

  /** A memoized answer, so that values which several paths lead to are searched once. */
  #once<T>(question: string, find: () => T): T {
    if (!this.#known.has(question)) this.#known.set(question, find());
    return this.#known.get(question) as T;
  }

  /** Nodes that read a value's elements, without those that read its shape only. */
  #readersOf(name: string): Node[] {
    return (this.#index.consumers.get(name) ?? []).filter((node) => rowOf(node)?.kind !== "index");
  }

  /** Whether a node only moves the elements of `name` or multiplies them by constants. */
  #keepsSize(node: Node, name: string): boolean {
    const { domain, opType, inputs } = node;
    if (domain !== "") return false;
    if (passThrough.has(opType) || rowOf(node)?.kind === "movement") return true;
    const others = inputs.filter((input) => input !== name);
    const scales = opType === "Mul" || (opType === "Div" && inputs[0] === name);
    return scales && others.length === 1 && others.every((input) => this.#graph.initializers.has(input));
  }

  #addsConstant({ opType, inputs }: Node): boolean {
    return opType === "Add" && inputs.some((input) => this.#graph.initializers.has(input));
  }

  /** The constant scalar exponent of a Pow; undefined for other nodes. */
  #exponent({ opType, inputs }: Node): number | undefined {
    const constant = opType === "Pow" ? this.#graph.initializers.get(inputs[1] ?? "") : undefined;
    if (constant === undefined || elementCount(constant.dims) !== 1) return undefined;
    return numeric.has(constant.dtype) ? toNumbers(constant)[0] : undefined;
  }
}

const isSquare = ({ opType, inputs }: Node, name: string): boolean =>
  opType === "Mul" && inputs.every((input) => input === name);

const isRoot = (opType: string, exponent: number | undefined): boolean =>
  opType === "Log" || opType === "Sqrt" || (exponent !== undefined && exponent > 0 && exponent < 1);
