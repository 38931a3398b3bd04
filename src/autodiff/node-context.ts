import type { Node } from "../ir/model.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { DequantizedWeight, ForwardGraph } from "./forward-graph.ts";
import type { FakeQuantizer } from "../ops/fake-quantizer.ts";
import type { Dot, GradientSums } from "./gradient-sums.ts";
import type { GradientBuilder } from "../lowering/gradient-builder.ts";
import type { NodeFacts, RuleContext, TrainedWeight, TypedValue } from "./rule.ts";

/** One forward node before any gradient flows. */
export class ForwardNode implements NodeFacts {
  readonly node: Node;
  readonly opset: number;
  protected readonly forward: ForwardGraph;
  protected readonly slots: readonly string[];

  constructor(node: Node, forward: ForwardGraph, opset: number) {
    this.node = node;
    this.opset = opset;
    this.forward = forward;
    this.slots = forward.slotsOf(node);
  }

  has(slot: number): boolean {
    return (this.slots[slot] ?? "") !== "";
  }

  input(slot: number): TypedValue {
    return this.forward.require(this.slots[slot] ?? "");
  }

  output(index = 0): TypedValue {
    return this.forward.require(this.node.outputs[index] ?? "");
  }

  constant(slot: number): Tensor | undefined {
    return this.forward.constantOf(this.slots[slot] ?? "");
  }

  trainedWeight(slot: number): TrainedWeight | undefined {
    return this.forward.trainedWeight(this.slots[slot] ?? "");
  }

  quantizer(): FakeQuantizer | undefined {
    return this.forward.quantizerOf(this.node);
  }

  outputWeight(): TrainedWeight | undefined {
    return this.forward.trainedWeight(this.node.outputs[0] ?? "");
  }

  dequantizedWeight(slot: number): DequantizedWeight | undefined {
    return this.forward.dequantizedWeight(this.slots[slot] ?? "");
  }
}

/** Through which slots gradients flow, and to which values. */
interface OpenSlots {
  readonly values: ReadonlySet<string>;
  isOpen(node: Node, slot: number): boolean;
}

/** One forward node as its gradient rule sees it. */
export class NodeContext extends ForwardNode implements RuleContext {
  readonly build: GradientBuilder;
  readonly #sums: GradientSums;
  readonly #path: OpenSlots;
  readonly #dots = new Map<number, Dot>();

  constructor(
    node: Node,
    forward: ForwardGraph,
    sums: GradientSums,
    build: GradientBuilder,
    path: OpenSlots,
    opset: number,
  ) {
    super(node, forward, opset);
    this.build = build;
    this.#sums = sums;
    this.#path = path;
  }

  wants(slot: number): boolean {
    return this.#path.isOpen(this.node, slot) && this.#path.values.has(this.slots[slot] ?? "");
  }

  contribute(value: string, gradient: string): void {
    this.#sums.contribute(value, gradient);
  }

  outputDot(): string {
    return this.#sums.dot(this.node.outputs[0] ?? "", this.output());
  }

  offerDot(slot: number, dot: Dot): void {
    this.#dots.set(slot, dot);
  }

  /** The cheap inner product that the rule offered for a slot. */
  dotOf(slot: number): Dot | undefined {
    return this.#dots.get(slot);
  }
}
