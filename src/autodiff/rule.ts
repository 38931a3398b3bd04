import type { Tensor } from "../tensor/tensor.ts";
import type { Node } from "../ir/model.ts";
import type { FakeQuantizer } from "../ops/fake-quantizer.ts";
import type { DequantizedWeight } from "./forward-graph.ts";
import type { Dot } from "./gradient-sums.ts";
import type { TrainedWeight, TypedValue } from "./typed-value.ts";

export type { TrainedWeight, TypedValue } from "./typed-value.ts";
import type { GradientBuilder } from "../lowering/gradient-builder.ts";

/** What is known of a node before any gradient flows. Slots are the node's inputs; a fake quantizer's are x, scale, zero point. */
export interface NodeFacts {
  readonly node: Node;
  /** Opset of the default domain that the emitted nodes must fit. */
  readonly opset: number;
  has(slot: number): boolean;
  input(slot: number): TypedValue;
  output(index?: number): TypedValue;
  /** The slot's value when it is a constant of the graph. */
  constant(slot: number): Tensor | undefined;
  /** The quantized weight behind the slot, whose rows and scale get their gradients through `contribute`. */
  trainedWeight(slot: number): TrainedWeight | undefined;
  /** The trained quantized weight whose dequantized value this node, a DequantizeLinear, computes. */
  outputWeight(): TrainedWeight | undefined;
  /** Codes and scale of a quantized weight behind the slot, whether it trains or not. */
  dequantizedWeight(slot: number): DequantizedWeight | undefined;
  /** The fake quantizer that this node, a DequantizeLinear, ends; undefined when it dequantizes a weight. */
  quantizer(): FakeQuantizer | undefined;
}

/** What a gradient rule sees of its node. */
export interface RuleContext extends NodeFacts {
  readonly build: GradientBuilder;
  /** Whether the gradient of this slot is used by anyone. */
  wants(slot: number): boolean;
  /** Adds to the gradient of a value that is not one of the slots (codes and scale of a quantized weight). */
  contribute(value: string, gradient: string): void;
  /** <dy, y> of the first output, as a scalar, by the cheapest way that its readers offer. */
  outputDot(): string;
  /**
   * Offers a cheap way to <g, v> for the gradient g that this rule returns for slot v. Every operator that is
   * linear in a slot has one: <g, v> = <dy, y - what does not depend on v>. Where lowering may round g, it is offered as an abstract inner product.
   */
  offerDot(slot: number, dot: Dot): void;
}

/** Gradient of each slot, in slot order; null (or missing) where there is none. */
export type SlotGradients = readonly (string | null)[];

export interface GradientRule {
  /** Why this node has no gradient for the slot; undefined if it has one. Called before the reverse pass. */
  refuse?(facts: NodeFacts, slot: number): string | undefined;
  /** The returned gradients have the output's shape; the walker sums them down to each slot's own shape. */
  broadcasts?: boolean;
  /** `dys`: gradient of each output; undefined where nothing depends on that output. */
  backward(context: RuleContext, dys: readonly (string | undefined)[]): SlotGradients;
}

/** A rule for an operator with one output, whose gradient is therefore always there. */
export function rule(
  backward: (context: RuleContext, dy: string) => SlotGradients,
  options: Pick<GradientRule, "refuse" | "broadcasts"> = {},
): GradientRule {
  return { ...options, backward: (context, dys) => backward(context, dys[0] as string) };
}

/** Every operator's answer: a rule, "none needed" with the reason, or a refusal with the reason. */
export type Answer = { rule: GradientRule } | { none: string } | { refused: string };

/** A rule for an operator that is linear in its first input alone, so that <dx, x> = <dy, y>. */
export function linearRule(
  backward: (context: RuleContext, dy: string) => SlotGradients,
  options: Pick<GradientRule, "refuse" | "broadcasts"> = {},
): GradientRule {
  return rule((context, dy) => {
    context.offerDot(0, () => context.outputDot());
    return backward(context, dy);
  }, options);
}
