import { subgraphsOf } from "../ir/attributes.ts";
import { Emitter } from "../ir/emit.ts";
import { outerNames, readNames } from "../ir/graph.ts";
import type { Graph, Node } from "../ir/model.ts";
import { Arrangement } from "./arrangement.ts";

/**
 * An edit of a graph that a pass already owns (a clone). It knows who makes and who reads each value, and keeps knowing
 * it, so that a pass over n nodes takes time in proportion to n. Nodes are taken out and put in at the end, by `finish`;
 * until then `graph.nodes` stays as it was.
 */
export class GraphEdit {
  readonly graph: Graph;
  readonly #producer = new Map<string, Node>();
  readonly #readers = new Map<string, Set<Node>>();
  readonly #uses = new Map<string, number>();
  readonly #outputs: Set<string>;
  readonly #arrangement = new Arrangement();
  #inner: Set<string> | undefined;
  #emit: Emitter | undefined;

  constructor(graph: Graph) {
    this.graph = graph;
    this.#outputs = new Set(graph.outputs.map((value) => value.name));
    for (const node of graph.nodes) this.#enter(node);
    for (const { name } of graph.outputs) this.#count(name, 1);
  }

  /** Makes constants and fresh names in the graph. */
  get emit(): Emitter {
    return (this.#emit ??= new Emitter(this.graph));
  }

  producer(name: string): Node | undefined {
    return this.#producer.get(name);
  }

  /** Nodes that read a value, themselves or in a subgraph. */
  readers(name: string): readonly Node[] {
    return [...(this.#readers.get(name) ?? [])];
  }

  /** How many times a value is read: by nodes (subgraphs included) and as an output of the graph. */
  uses(name: string): number {
    return this.#uses.get(name) ?? 0;
  }

  isOutput(name: string): boolean {
    return this.#outputs.has(name);
  }

  /** Whether a node (subgraphs included) or the caller reads output `index` of `node`. */
  isRead(node: Node, index: number): boolean {
    const name = node.outputs[index] ?? "";
    return name !== "" && this.uses(name) > 0;
  }

  /** Lets `change` give a node other inputs, outputs or attributes. */
  update(node: Node, change: () => void): void {
    this.#leave(node);
    change();
    this.#enter(node);
  }

  remove(node: Node): void {
    this.#leave(node);
    this.#arrangement.replace(node, []);
  }

  /** Puts `nodes` where `node` was. */
  replace(node: Node, nodes: readonly Node[]): void {
    this.#leave(node);
    this.#arrangement.replace(node, nodes);
    for (const other of nodes) this.#enter(other);
  }

  /** Puts `other` right before `node`, or right behind it. */
  insert(other: Node, place: "before" | "after", node: Node): void {
    this.#arrangement.insert(other, place, node);
    this.#enter(other);
  }

  /**
   * Removes a node whose output `output` equals its input `input`. Readers of the output read the input; where
   * the output is a graph output, the producer of the input takes over its name. Returns why that is impossible,
   * or undefined when it is done.
   */
  bypass(node: Node, input: string, output: string): string | undefined {
    if (!this.isOutput(output)) {
      if (this.#shadows(input)) return `a subgraph has its own "${input}"`;
      this.remove(node);
      this.#replaceReads(output, input);
      return undefined;
    }
    const producer = this.producer(input);
    if (producer === undefined || producer === node)
      return `it carries the graph input or constant "${input}" to an output`;
    if (this.isOutput(input)) return `both sides are graph outputs`;
    if (this.#shadows(output)) return `a subgraph has its own "${output}"`;
    this.remove(node);
    this.update(producer, () => {
      producer.outputs = producer.outputs.map((name) => (name === input ? output : name));
    });
    this.#replaceReads(input, output);
    this.graph.valueInfo.delete(input);
    return undefined;
  }

  /** Writes the nodes into the graph, and forgets what was known of values and constants that are gone. */
  finish(): void {
    this.graph.nodes = this.#arrangement.apply(this.graph.nodes);
    dropStaleInfo(this.graph);
  }

  #replaceReads(from: string, to: string): void {
    for (const reader of this.readers(from)) this.update(reader, () => replaceReads([reader], from, to));
  }

  /** Whether a subgraph anywhere below defines `name` for itself. */
  #shadows(name: string): boolean {
    this.#inner ??= innerNames(this.graph.nodes);
    return this.#inner.has(name);
  }

  #enter(node: Node): void {
    for (const output of node.outputs) if (output !== "") this.#producer.set(output, node);
    for (const name of readNames(node)) {
      this.#count(name, 1);
      const readers = this.#readers.get(name);
      if (readers === undefined) this.#readers.set(name, new Set([node]));
      else readers.add(node);
    }
  }

  #leave(node: Node): void {
    for (const output of node.outputs) if (this.#producer.get(output) === node) this.#producer.delete(output);
    for (const name of readNames(node)) {
      this.#count(name, -1);
      this.#readers.get(name)?.delete(node);
    }
  }

  #count(name: string, change: number): void {
    this.#uses.set(name, this.uses(name) + change);
  }
}

/** Names that subgraphs of the nodes define, at any depth. */
function innerNames(nodes: readonly Node[], names = new Set<string>()): Set<string> {
  for (const graph of nodes.flatMap(subgraphsOf)) {
    for (const { name } of graph.inputs) names.add(name);
    for (const name of graph.initializers.keys()) names.add(name);
    for (const node of graph.nodes) for (const name of node.outputs) names.add(name);
    innerNames(graph.nodes, names);
  }
  return names;
}

/** Sets input `port`, leaving out optional ones before it. */
export function setInput(node: Node, port: number, name: string): void {
  while (node.inputs.length < port) node.inputs.push("");
  node.inputs[port] = name;
}

/** Makes every reader of `from`, subgraphs included, read `to`. Graph outputs are left alone. */
function replaceReads(nodes: readonly Node[], from: string, to: string): void {
  for (const node of nodes) {
    node.inputs = node.inputs.map((name) => (name === from ? to : name));
    for (const graph of subgraphsOf(node)) {
      if (!outerNames(graph).has(from)) continue;
      replaceReads(graph.nodes, from, to);
      for (const output of graph.outputs) if (output.name === from) output.name = to;
    }
  }
}

/** Makes readers, subgraphs included, read the new names that `renamed` gives for old ones. */
export function renameReads(nodes: readonly Node[], renamed: ReadonlyMap<string, string>): void {
  if (renamed.size === 0) return;
  for (const node of nodes) {
    const old = new Set(readNames(node).filter((name) => renamed.has(name)));
    for (const name of old) replaceReads([node], name, renamed.get(name) as string);
  }
}

/**
 * Drops value info of values that no longer exist and facts about initializers that are gone. Call it at the
 * end of an edit.
 */
export function dropStaleInfo(graph: Graph): void {
  const alive = new Set(graph.nodes.flatMap((node) => node.outputs));
  for (const name of graph.valueInfo.keys()) if (!alive.has(name)) graph.valueInfo.delete(name);
  for (const name of graph.initializerInfo.keys())
    if (!graph.initializers.has(name)) graph.initializerInfo.delete(name);
}
