import { unsupportedError } from "../../errors.ts";
import { cloneModel } from "../../ir/clone.ts";
import { Emitter } from "../../ir/emit.ts";
import type { Graph, Model, Node } from "../../ir/model.ts";
import { type Tensor, elementCount } from "../../tensor/tensor.ts";
import { readNumbers } from "../../tensor/read-numbers.ts";

/** A copy of a model whose nodes are gone through in order and written anew. */
export class GraphRewrite {
  readonly model: Model;
  readonly graph: Graph;
  readonly emit: Emitter;
  /** The nodes to go through. */
  readonly source: readonly Node[];
  readonly #producer = new Map<string, Node>();

  constructor(model: Model) {
    this.model = cloneModel(model);
    this.graph = this.model.graph;
    this.emit = new Emitter(this.graph);
    this.source = this.graph.nodes;
    this.graph.nodes = [];
    for (const node of this.source) for (const name of node.outputs) this.#producer.set(name, node);
  }

  /** The node of the source that makes a value. */
  producer(name: string | undefined): Node | undefined {
    return name === undefined ? undefined : this.#producer.get(name);
  }

  constant(name: string | undefined): Tensor | undefined {
    return name === undefined ? undefined : this.graph.initializers.get(name);
  }

  /** The one number of a constant; undefined where it is none or holds several. */
  number(name: string | undefined): number | undefined {
    const tensor = this.constant(name);
    return tensor === undefined || elementCount(tensor.dims) !== 1 ? undefined : readNumbers(tensor)[0];
  }
}

/** Says that what a node does with codes has no counterpart on floats here. */
export const notUndone = ({ name, opType }: Node, why: string): Error =>
  unsupportedError(
    "quantized-operator",
    `The quantization of ${opType} cannot be undone: ${why}`,
    `node "${name}"`,
    "Start from the float model that the file was made from, or quantize that one as QDQ or QOperator.",
  );
