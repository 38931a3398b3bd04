import type { GraphIndex } from "../../ir/graph.ts";
import { dtypeOf } from "../../ir/value-types.ts";
import type { Graph, Node } from "../../ir/model.ts";
import { rowOf } from "../../ops/catalogue/catalogue.ts";
import type { OperatorKind } from "../../ops/catalogue/row.ts";
import { viewAs } from "../../tensor/tensor.ts";

/**
 * Attention masks: huge negative numbers that an Add or a Where puts into the scores in front of a Softmax, whose
 * result is zero there. A quantizer whose range includes the mask has a step too coarse for the scores, so all nodes
 * from the mask to the Softmax, and the Softmax itself, compute in float.
 */

/** Largest constant that counts as a mask: exp(-30) = 1e-13, so that Softmax gives the masked element no weight. */
const lowScore = -30;

/**
 * Most nodes that the search passes from a Softmax to its mask, and from the mask to the values it is computed from.
 */
const maxDepth = 64;

/**
 * Input slots of a node whose elements are passed on, moved, added to or clipped: where attention scores may come from.
 */
function scorePorts(node: Node): readonly number[] {
  const row = node.domain === "" ? rowOf(node) : undefined;
  if (row === undefined) return [];
  if (node.opType === "Add") return [0, 1];
  if (row.kind === "conversion" || node.opType === "Sub" || node.opType === "Clip") return [0];
  if (row.kind !== "movement" && row.kind !== "elementwise") return [];
  return row.moves?.from === "all" ? [...node.inputs.keys()] : (row.moves?.from ?? []);
}

/** Kinds of operators whose result is a mask if each of their float inputs is a mask or a constant. */
const maskArithmetic: readonly OperatorKind[] = ["conversion", "elementwise", "movement", "reduction"];

/** Nodes that must compute in float because their values contain an attention mask, with the reason. */
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

  /**
   * The name of a mask in the scores `name`, undefined if there is none; enters the nodes that compute masked scores
   * into `found`.
   */
  markScores(name: string, found: Map<Node, string>, depth = 0): string | undefined {
    if (depth > maxDepth || this.#scores.has(name)) return this.#scores.get(name);
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

  /**
   * Whether `name`, an operand of an Add or a Where in front of a Softmax, is a mask: a constant with very negative
   * elements, a model input that is added, or a value computed from integers and booleans.
   */
  isMask(name: string, opType: string): boolean {
    const constant = this.#lowest(name);
    if (constant !== undefined) return constant <= lowScore;
    const start = this.#startOfChain(name);
    if (opType === "Add" && this.#index.inputs.has(start)) return true;
    return this.#isDerived(name);
  }

  /**
   * Whether a value is computed only from integers, booleans and constants, without a Gather from a table of weights.
   */
  #isDerived(name: string, depth = 0): boolean {
    if (depth > maxDepth) return false;
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
    // Only a Cast or a Where converts integers and booleans to floats; other operators need a mask among their inputs.
    const starts = node.opType === "Cast" ? floats.length === 0 : node.opType === "Where";
    const computed = floats.filter((input) => !this.#graph.initializers.has(input));
    return (starts || computed.length > 0) && computed.every((input) => this.#isDerived(input, depth + 1));
  }

  /** The value at the start of the chain of movement, conversion and Clip nodes that end in `name`. */
  #startOfChain(name: string): string {
    for (let at = name; ;) {
      const node = this.#index.producer.get(at);
      const [source] = node?.inputs ?? [];
      if (node === undefined || source === undefined) return at;
      if (scorePorts(node).length !== 1 || node.opType === "Sub") return at;
      at = source;
    }
  }

  /** The lowest element of a float32 constant, which may be -Infinity; NaN is skipped. Undefined for other values. */
  #lowest(name: string): number | undefined {
    const tensor = this.#graph.initializers.get(name);
    if (tensor?.dtype !== "float32") return undefined;
    return viewAs(tensor, "float32").reduce((least, value) => (value < least ? value : least), Infinity);
  }
}
