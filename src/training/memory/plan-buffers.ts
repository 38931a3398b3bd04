import { readNames } from "../../ir/graph.ts";
import type { Node } from "../../ir/model.ts";
import { rowOf } from "../../ops/catalogue/catalogue.ts";
import type { ExecutedGraph, Extent } from "./executed-graph.ts";

/** What one node does to memory: buffers it asks for before it runs, and those given back after it. */
export interface MemoryStep {
  node: Node;
  takes: { buffer: string; bytes: number }[];
  returns: string[];
}

/** Whether a node's output is its first input under another shape or name. */
const isAlias = (node: Node): boolean =>
  rowOf(node)?.moves?.keepsOrder === true || node.opType === "Identity" || node.opType === "Dropout";

/**
 * ONNX Runtime's allocation plan, as its planner makes it for sequential execution: an output takes over its input's
 * buffer where the operator may work in place and nobody else reads it, else a buffer of the same type and shape that is
 * no longer read, which then stays taken in between, else a new one. Outputs of the graph always get buffers of their
 * own, and inputs and weights are never written over.
 */
export function planBuffers({ graph, extents }: ExecutedGraph): MemoryStep[] {
  const plan = new BufferPlan(extents);
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  for (const node of graph.nodes) for (const name of readNames(node)) plan.expect(name);
  for (const name of [...graph.inputs.map((input) => input.name), ...graph.initializers.keys(), ...outputs])
    plan.expect(name);
  graph.nodes.forEach((node, at) => {
    node.outputs.forEach((output, position) => {
      if (output === "") return;
      const source = outputs.has(output) ? undefined : plan.sourceOf(node, position);
      if (source === undefined) plan.take(output, at);
      else plan.share(output, source);
    });
    for (const name of readNames(node)) plan.read(name, at);
    for (const name of node.outputs) if (name !== "") plan.made(name, at);
  });
  return plan.steps(graph.nodes, outputs);
}

class BufferPlan {
  readonly #extents: ReadonlyMap<string, Extent>;
  /** Reads of a buffer still to come. */
  readonly #uses = new Map<string, number>();
  /** The value whose buffer a value lies in, where it is not its own. */
  readonly #buffers = new Map<string, string>();
  readonly #taken = new Map<string, number>();
  readonly #lastUse = new Map<string, number>();
  /** Buffers that nobody reads any more, the latest first. */
  readonly #idle: string[] = [];

  constructor(extents: ReadonlyMap<string, Extent>) {
    this.#extents = extents;
  }

  expect(name: string): void {
    this.#uses.set(name, this.#usesOf(name) + 1);
  }

  /** A value whose buffer this output can have. */
  sourceOf(node: Node, position: number): string | undefined {
    const output = node.outputs[position] as string;
    if (position === 0 && node.domain === "") {
      if (isAlias(node)) return node.inputs[0];
      const candidates = rowOf(node)?.overwrites?.map((index) => node.inputs[index] ?? "");
      const own = candidates?.find(
        (name) => this.#usesOf(this.#bufferOf(name)) === 1 && this.#alike(name, output),
      );
      if (own !== undefined) return own;
    }
    if (this.#extents.get(output)?.planned.length === 0) return undefined;
    const idle = this.#idle.findIndex((name) => this.#alike(name, output));
    return idle < 0 ? undefined : this.#idle.splice(idle, 1)[0];
  }

  take(name: string, at: number): void {
    this.#taken.set(name, at);
  }

  share(name: string, source: string): void {
    const buffer = this.#bufferOf(source);
    this.#buffers.set(name, buffer);
    this.#uses.set(buffer, this.#usesOf(buffer) + this.#usesOf(name));
  }

  read(name: string, at: number): void {
    const buffer = this.#bufferOf(name);
    this.#lastUse.set(buffer, at);
    const left = this.#usesOf(buffer) - 1;
    this.#uses.set(buffer, left);
    if (left === 0) this.#idle.unshift(buffer);
  }

  /** An output that nobody reads is idle at once. */
  made(name: string, at: number): void {
    const buffer = this.#bufferOf(name);
    this.#lastUse.set(buffer, at);
    if (this.#usesOf(buffer) === 0 && !this.#idle.includes(buffer)) this.#idle.unshift(buffer);
  }

  steps(nodes: readonly Node[], outputs: ReadonlySet<string>): MemoryStep[] {
    const steps = nodes.map((node): MemoryStep => ({ node, takes: [], returns: [] }));
    for (const [buffer, at] of this.#taken) {
      steps[at]?.takes.push({ buffer, bytes: this.#extents.get(buffer)?.bytes ?? 0 });
      if (!outputs.has(buffer)) steps[this.#lastUse.get(buffer) ?? at]?.returns.push(buffer);
    }
    return steps;
  }

  #usesOf(name: string): number {
    return this.#uses.get(name) ?? 0;
  }

  #bufferOf(name: string): string {
    return this.#buffers.get(name) ?? name;
  }

  #alike(a: string, b: string): boolean {
    const one = this.#extents.get(a);
    const other = this.#extents.get(b);
    if (one === undefined || other?.item !== one.item) return false;
    return sameShape(one.planned, other.planned);
  }
}

/** Equal as far as the planner can tell: an unknown dimension equals none. */
const sameShape = (a: Extent["planned"], b: Extent["planned"]): boolean =>
  a.length === b.length && a.every((dim, axis) => dim !== "" && dim === b[axis]);
