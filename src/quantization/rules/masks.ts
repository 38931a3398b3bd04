import type { GraphIndex } from "../../ir/graph.ts";
import { dtypeOf } from "../../ir/value-types.ts";
import type { Graph, Node } from "../../ir/model.ts";
import { rowOf } from "../../ops/catalogue/catalogue.ts";
import type { OperatorKind } from "../../ops/catalogue/row.ts";
import { viewAs } from "../../tensor/tensor.ts";

/**
 * Masks of attention: huge negative numbers that an Add or a Where puts into the scores in front of a Softmax, which
 * makes exact zeros of them. Codes that reach down to them have no steps left for the scores, so that these nodes
 * and the Softmax compute in float.
 */

/** Softmax of a score this far below another is 1e-13: nothing but a mask is that low. */
const lowScore = -30;

/** Nodes between a Softmax and its mask, and between the mask and what it is made of: more are not looked through. */
const farthest = 64;

/** Inputs of a node that may hold the scores it hands on towards a Softmax. */
function scorePorts(node: Node): readonly number[] {
  const row = node.domain === "" ? rowOf(node) : undefined;
  if (row === undefined) return [];
  if (node.opType === "Add") return [0, 1];
  if (row.kind === "conversion" || node.opType === "Sub" || node.opType === "Clip") return [0];
  if (row.kind !== "movement" && row.kind !== "elementwise") return [];
  return row.moves?.from === "all" ? [...node.inputs.keys()] : (row.moves?.from ?? []);
}

/** Kinds of operators whose result is made of masks when all their float inputs are masks or constants. */
const maskArithmetic: readonly OperatorKind[] = ["conversion", "elementwise", "movement", "reduction"];

/** Nodes that must compute in float because of a mask, and why. */
export function findMasked(graph: Graph, index: GraphIndex): Map<Node, string> {
  const search = new MaskSearch(graph, index);
  const found = new Map<Node, string>();
  for (const node of graph.nodes) {
    if (node.domain !== "" || (node.opType !== "Softmax" && node.opType !== "LogSoftmax")) continue;
    const mask = search.markScores(node.inputs[0] ?? "", found);
    if (mask !== undefined) found.set(node, `its input is masked by "${mask}"; masked scores stay float`);
  }
  return found;
}

class MaskSearch {
  readonly #graph: Graph;
  readonly #index: GraphIndex;
  readonly #isMask = new Map<string, boolean>();
  readonly #scores = new Map<string, string | undefined>();

  constructor(graph: Graph, index: GraphIndex) {
    this.#graph = graph;
    this.#index = index;
  }

  /** Marks what computes the masked scores `name`; returns the name of a mask in them, if any. */
  markScores(name: string, found: Map<Node, string>, depth = 0): string | undefined {
    if (depth > farthest || this.#scores.has(name)) return this.#scores.get(name);
    this.#scores.set(name, undefined);
    const node = this.#index.producer.get(name);
    if (node === undefined || dtypeOf(this.#graph, name) !== "float32") return undefined;
    const ports = scorePorts(node);
    const operands = ports.map((port) => node.inputs[port] ?? "").filter((input) => input !== "");
    const combines = node.opType === "Add" || node.opType === "Where";
    const own = combines ? operands.find((input) => this.isMask(input, node.opType)) : undefined;
    const mask =
      own ??
      operands.map((input) => this.markScores(input, found, depth + 1)).find((input) => input !== undefined);
    if (mask !== undefined)
      found.set(node, `it handles scores masked by "${mask}", which 8 bits cannot hold beside it`);
    this.#scores.set(name, mask);
    return mask;
  }

  /** Whether `name`, an operand of an Add or a Where in front of a Softmax, is a mask. */
  isMask(name: string, opType: string): boolean {
    const constant = this.#lowest(name);
    if (constant !== undefined) return constant <= lowScore;
    const start = this.#behindMovers(name);
    if (opType === "Add" && this.#index.inputs.has(start)) return true;
    return this.#isDerived(name);
  }

  /** Whether a value is computed from integers, booleans and constants alone, without a table of weights. */
  #isDerived(name: string, depth = 0): boolean {
    if (depth > farthest) return false;
    const known = this.#isMask.get(name);
    if (known !== undefined) return known;
    this.#isMask.set(name, false);
    const node = this.#index.producer.get(name);
    const derived = node?.domain === "" && this.#derives(node, depth);
    this.#isMask.set(name, derived);
    return derived;
  }

  #derives(node: Node, depth: number): boolean {
    if (node.opType === "ConstantOfShape" || node.opType === "Range") return true;
    const kind = rowOf(node)?.kind;
    if (kind === undefined || !maskArithmetic.includes(kind)) return false;
    const inputs = node.inputs.filter((input) => input !== "");
    const floats = inputs.filter((input) => dtypeOf(this.#graph, input)?.startsWith("float") === true);
    // A Cast or a Where makes floats of integers and booleans; anything else has to have a mask among its inputs.
    const starts = node.opType === "Cast" ? floats.length === 0 : node.opType === "Where";
    const computed = floats.filter((input) => !this.#graph.initializers.has(input));
    return (starts || computed.length > 0) && computed.every((input) => this.#isDerived(input, depth + 1));
  }

  /** The value before the operators that only move or convert it. */
  #behindMovers(name: string): string {
    for (let at = name; ;) {
      const node = this.#index.producer.get(at);
      const [source] = node?.inputs ?? [];
      if (node === undefined || source === undefined) return at;
      if (scorePorts(node).length !== 1 || node.opType === "Sub") return at;
      at = source;
    }
  }

  /** The lowest element of a float constant, NaN and lower bounds of -Infinity included; undefined for other values. */
  #lowest(name: string): number | undefined {
    const tensor = this.#graph.initializers.get(name);
    if (tensor?.dtype !== "float32") return undefined;
    return viewAs(tensor, "float32").reduce((least, value) => (value < least ? value : least), Infinity);
  }
}
