import { tensorOfBytes, type Tensor } from "../tensor/tensor.ts";
import type { AttributeInput } from "./attributes.ts";
import { createNode, usedNames } from "./graph.ts";
import type { Graph, Node } from "./model.ts";
import { metadataOf, type Provenance, provenanceOf } from "./provenance.ts";

/** Attributes and placement of an emitted node. */
export interface EmitOptions {
  attributes?: Readonly<Record<string, AttributeInput | undefined>>;
  domain?: string;
  /** Names of the outputs; made up from the prefix and the operator where missing. */
  outputs?: readonly string[];
  /** How many outputs the node has (default 1). */
  outputCount?: number;
  /** Name of the node; made up where missing. */
  name?: string;
}

/**
 * Appends nodes and constants to a graph under fresh, readable, deterministic names. Constants of equal type,
 * shape and bytes are shared when small.
 */
export class Emitter {
  readonly graph: Graph;
  /** Put before every made-up name, for example the forward node a gradient belongs to. */
  prefix = "";
  /** What emitted nodes are made for, which they note in their metadata; undefined: nothing is noted. */
  provenance: Provenance | undefined;
  readonly #used: Set<string>;
  readonly #next = new Map<string, number>();
  readonly #constants = new Map<string, string>();
  readonly #outer: Emitter | undefined;

  /** With `outer`, for a subgraph of that emitter's graph: names are fresh in both, constants belong to the outer. */
  constructor(graph: Graph, outer?: Emitter) {
    this.graph = graph;
    this.#used = usedNames(graph);
    this.#outer = outer;
    if (outer === undefined) return;
    this.prefix = outer.prefix;
    this.provenance = outer.provenance;
  }

  /** From here on, nodes are emitted in the place of `node`: under its name, for what it was made for. */
  standFor(node: Node, part = ""): void {
    this.prefix = `${node.name}${part}`;
    this.provenance = provenanceOf(node);
  }

  /** A name that nothing in the graph has: `hint` itself, or `hint` with a number. */
  fresh(hint: string): string {
    if (this.#outer !== undefined) return this.#outer.fresh(hint);
    let name = hint;
    while (this.#used.has(name)) {
      const count = (this.#next.get(hint) ?? 0) + 1;
      this.#next.set(hint, count);
      name = `${hint}_${count}`;
    }
    this.#used.add(name);
    return name;
  }

  /** Appends a node and returns the names of its outputs. */
  node(opType: string, inputs: readonly string[], options: EmitOptions = {}): string[] {
    const base = this.prefix === "" ? opType : `${this.prefix}/${opType}`;
    const name = this.fresh(options.name ?? base);
    const count = options.outputs?.length ?? options.outputCount ?? 1;
    const outputs = Array.from(
      { length: count },
      (_, i) => options.outputs?.[i] ?? this.fresh(`${name}:${i}`),
    );
    for (const output of outputs) this.#used.add(output);
    const { attributes, domain } = options;
    const node = createNode({ name, opType, inputs, outputs, attributes, domain });
    if (this.provenance !== undefined) node.metadata = metadataOf(this.provenance);
    this.graph.nodes.push(node);
    return outputs;
  }

  /** Appends a node with one output and returns that output's name. */
  op(
    opType: string,
    inputs: readonly string[],
    attributes: EmitOptions["attributes"] = {},
    options: EmitOptions = {},
  ): string {
    return this.node(opType, inputs, { ...options, attributes })[0] as string;
  }

  /** Whether a node from index `since` on makes a value. */
  makes(value: string, since: number): boolean {
    return this.graph.nodes.slice(since).some(({ outputs }) => outputs.includes(value));
  }

  /** Gives a value another name in the nodes from index `since` on. */
  rename(from: string, to: string, since: number): void {
    const renamed = (name: string): string => (name === from ? to : name);
    for (const node of this.graph.nodes.slice(since)) {
      node.inputs = node.inputs.map(renamed);
      node.outputs = node.outputs.map(renamed);
    }
  }

  /** A constant; equal small constants (up to 1 KiB) share one initializer. */
  constant(tensor: Tensor, hint = "constant"): string {
    if (this.#outer !== undefined) return this.#outer.constant(tensor, hint);
    const key =
      tensor.bytes.byteLength > 1024
        ? undefined
        : `${tensor.dtype}[${tensor.dims.join()}]${Buffer.from(tensor.bytes).toString("latin1")}`;
    const known = key === undefined ? undefined : this.#constants.get(key);
    if (known !== undefined) return known;
    const name = this.fresh(hint);
    this.graph.initializers.set(name, tensorOfBytes(tensor.dtype, tensor.dims, tensor.bytes));
    if (key !== undefined) this.#constants.set(key, name);
    return name;
  }
}
