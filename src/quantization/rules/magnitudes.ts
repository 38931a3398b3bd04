import type { GraphIndex } from "../../ir/graph.ts";
import type { Graph, Node } from "../../ir/model.ts";
import { rowOf } from "../../ops/catalogue/catalogue.ts";
import { weightPortOf } from "../../ops/catalogue/ports.ts";
import type { DataType } from "../../tensor/data-type.ts";
import { elementCount, toNumbers } from "../../tensor/tensor.ts";

/**
 * Filterbanks, as audio models have them in front: an STFT written as a product with rows of sines and cosines, whose
 * squares are summed and whose root or logarithm goes on, often through a product with mel filters. Codes have steps of
 * one size; behind a root or a logarithm the smallest magnitudes count as much as the largest, whose range sets the step.
 * So what makes them computes in float.
 */

/** Nodes between a layer and the root or logarithm of what it computes: more are not looked through. */
const farthest = 64;

const powers = "the squares of its result are summed, and a root or a logarithm of them goes on";
const logarithms = "the logarithm of its result is taken";
const loss = "to which the smallest values count as much as the largest, and 8 bits lose those";

/** Linear operators in front of a filterbank: what they lose, it gets to see. */
const signals = new Set(["Identity", "Neg", "Pad"]);
/** Operators that leave the size of squares and magnitudes what it is, or bound it from below. */
const bounds = new Set(["Abs", "Clip", "Max", "Min", "Relu"]);
const numeric = new Set<DataType>(["float32", "float64", "int32", "int64"]);
const sums = new Set(["Add", "ReduceMean", "ReduceSum", "Sub", "Sum"]);

/** Layers that must compute in float because of what becomes of their results, and why. */
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
  /** What is known of values, by question. */
  readonly #known = new Map<string, unknown>();

  constructor(graph: Graph, index: GraphIndex) {
    this.#graph = graph;
    this.#index = index;
  }

  /** A product with a constant. */
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
   * Whether squares of a value go on to a root or a logarithm. Before they are squared, all readers must do that: what a norm
   * divides, it reads itself, too.
   */
  #leadsToRoot(name: string, squared: boolean, depth = 0): boolean {
    const readers = this.#readersOf(name);
    if (depth > farthest || readers.length === 0 || (!squared && this.#index.outputs.has(name))) return false;
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

  /** Whether all that reads a value takes its logarithm, or bounds, moves or scales it first. */
  #leadsToLog(name: string, depth = 0): boolean {
    const readers = this.#readersOf(name);
    if (depth > farthest || readers.length === 0 || this.#index.outputs.has(name)) return false;
    const leads = (reader: Node): boolean => {
      if (reader.opType === "Log") return true;
      const goesOn = this.#keepsSize(reader, name) || bounds.has(reader.opType) || this.#addsConstant(reader);
      return goesOn && this.#leadsToLog(reader.outputs[0] as string, depth + 1);
    };
    return this.#once(`logarithm ${name}`, () => readers.every(leads));
  }

  /** A filterbank that alone reads a value, moved or padded on the way. */
  #filterBehind(name: string, found: ReadonlyMap<Node, string>, depth = 0): Node | undefined {
    const readers = this.#readersOf(name);
    if (depth > farthest || readers.length === 0 || this.#index.outputs.has(name)) return undefined;
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

  /** An answer that is found once: paths that part and meet again are not looked through anew. */
  #once<T>(question: string, find: () => T): T {
    if (!this.#known.has(question)) this.#known.set(question, find());
    return this.#known.get(question) as T;
  }

  /** Readers of a value's elements, not of its shape. */
  #readersOf(name: string): Node[] {
    return (this.#index.consumers.get(name) ?? []).filter((node) => rowOf(node)?.kind !== "index");
  }

  /** Moves elements, or multiplies them by constants. */
  #keepsSize(node: Node, name: string): boolean {
    const { domain, opType, inputs } = node;
    if (domain !== "") return false;
    if (signals.has(opType) || rowOf(node)?.kind === "movement") return true;
    const others = inputs.filter((input) => input !== name);
    const scales = opType === "Mul" || (opType === "Div" && inputs[0] === name);
    return scales && others.length === 1 && others.every((input) => this.#graph.initializers.has(input));
  }

  #addsConstant({ opType, inputs }: Node): boolean {
    return opType === "Add" && inputs.some((input) => this.#graph.initializers.has(input));
  }

  /** The constant exponent of a Pow. */
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
