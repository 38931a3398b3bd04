import type { Graph, Node } from "../../ir/model.ts";
import { rowOf } from "../../ops/catalogue/catalogue.ts";
import { type Tensor, viewAs } from "../../tensor/tensor.ts";
import type { FileActivation } from "./file-quantizers.ts";

/** Bounds of a Relu or Clip. */
export interface Bounds {
  min: number;
  max: number;
}

/** Producers that are looked through. */
const farthest = 64;
/** How near to a whole number the top of a range is that a Clip had put there: float32 scales round that much. */
const nearness = 1e-5;

/**
 * What a quantizer's codes do besides rounding: with its zero point at the lowest code it is a Relu, too, and with the
 * highest code at a whole number a Clip (a Relu6, say), for both are left out of files where codes do the same. What
 * comes out of operators that give no other values needs neither.
 */
export function boundsOfCodes({ scale, zeroPoint, qmin, qmax }: FileActivation): Bounds | undefined {
  if (zeroPoint !== qmin) return undefined;
  const top = (qmax - zeroPoint) * scale;
  const whole = Math.round(top);
  return { min: 0, max: whole >= 1 && Math.abs(top - whole) <= nearness * whole ? whole : Infinity };
}

/** Tells what the values of a graph under construction cannot be. */
export class KnownBounds {
  readonly #graph: Graph;
  readonly #producer: (name: string) => Node | undefined;
  readonly #known = new Map<string, Bounds>();

  constructor(graph: Graph, producer: (name: string) => Node | undefined) {
    this.#graph = graph;
    this.#producer = producer;
  }

  /** The part of `wanted` that is not known of the value already; undefined where all is. */
  missing(name: string, wanted: Bounds): Bounds | undefined {
    const known = this.of(name);
    const min = known.min >= wanted.min ? -Infinity : wanted.min;
    const max = known.max <= wanted.max ? Infinity : wanted.max;
    return min === -Infinity && max === Infinity ? undefined : { min, max };
  }

  /** A name now is another value's. */
  forget(name: string): void {
    this.#known.delete(name);
  }

  /** Sources of the graph count as bounded: no Relu or Clip of the file stood between them and their quantizer. */
  of(name: string, depth = 0): Bounds {
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const node = this.#producer(name);
    const found =
      node === undefined
        ? { min: 0, max: 0 }
        : depth > farthest
          ? { min: -Infinity, max: Infinity }
          : this.#ofNode(node, depth + 1);
    this.#known.set(name, found);
    return found;
  }

  #ofNode(node: Node, depth: number): Bounds {
    const { opType, inputs, domain } = node;
    const row = domain === "" ? rowOf(node) : undefined;
    if (row?.range !== undefined) return { min: row.range[0], max: row.range[1] };
    const operand = (slot: number): Bounds => this.#operand(inputs[slot] ?? "", depth);
    switch (opType) {
      case "Relu":
        return { min: 0, max: operand(0).max };
      case "Clip":
        return { min: this.#constant(inputs[1], -Infinity), max: this.#constant(inputs[2], Infinity) };
      case "Abs":
      case "Exp":
      case "Softplus":
      case "Sqrt":
        return { min: 0, max: Infinity };
      case "Add":
      case "Mul":
        return { min: operand(0).min >= 0 && operand(1).min >= 0 ? 0 : -Infinity, max: Infinity };
      case "AveragePool":
      case "GlobalAveragePool":
      case "GlobalMaxPool":
      case "ReduceMean":
        return operand(0);
    }
    if (row?.kind !== "movement" && row?.moves === undefined) return { min: -Infinity, max: Infinity };
    const slots =
      row.moves === undefined ? [0] : row.moves.from === "all" ? [...inputs.keys()] : row.moves.from;
    const parts = slots.map(operand);
    return { min: Math.min(...parts.map(({ min }) => min)), max: Math.max(...parts.map(({ max }) => max)) };
  }

  /** Of constants the values themselves count, of inputs of the graph nothing is known. */
  #operand(name: string, depth: number): Bounds {
    const constant = this.#graph.initializers.get(name);
    if (constant?.dtype === "float32") return extremes(constant);
    return this.#producer(name) === undefined ? { min: -Infinity, max: Infinity } : this.of(name, depth);
  }

  #constant(name: string | undefined, fallback: number): number {
    const tensor = name === undefined || name === "" ? undefined : this.#graph.initializers.get(name);
    if (name === undefined || name === "") return fallback;
    return tensor?.dtype === "float32" ? (viewAs(tensor, "float32")[0] ?? fallback) : fallback;
  }
}

function extremes(constant: Tensor): Bounds {
  const bounds = { min: Infinity, max: -Infinity };
  for (const value of viewAs(constant, "float32")) {
    bounds.min = Math.min(bounds.min, value);
    bounds.max = Math.max(bounds.max, value);
  }
  return bounds;
}
