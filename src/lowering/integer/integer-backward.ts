import { InternalError } from "../../errors.ts";
import { intOf, intsOf } from "../../ir/attributes.ts";
import { Emitter } from "../../ir/emit.ts";
import { cloneGraph } from "../../ir/clone.ts";
import { indexGraph, type GraphIndex } from "../../ir/graph.ts";
import type { Graph, Node } from "../../ir/model.ts";
import { gradientDomain, windowProblemOf } from "../../ops/gradient-nodes.ts";
import { elementCount, tensorOf, viewAs } from "../../tensor/tensor.ts";
import { GradientBuilder } from "../gradient-builder.ts";
import { codedConvWeightGrad, fitsIntegerProduct } from "./coded-weight-grad.ts";
import { codedLinearDataGrad, codedLinearWeightGrad, fitsTokens } from "./coded-linear-grad.ts";
import { moveCodes } from "./move-codes.ts";
import { operandOf } from "./operands.ts";
import { unfoldsInput } from "../choose.ts";
import { type IntegerBackward, amaxName } from "./plan-backward.ts";
import { channelsFirst, channelsLast, type Coded, codedConvDataGrad, middleCode } from "./coded-data-grad.ts";

/**
 * Replaces the planned nodes by integer kernels. The scale of a coded gradient is that of the codes it is computed from
 * times the ratio of the two largest absolute values measured on some samples (`amax`), and a margin; larger values
 * saturate. Where a node that stays float reads a coded gradient, it is dequantized under its own name.
 */
export function lowerIntegerBackward(source: Graph, plan: IntegerBackward, options: CodesOptions): Graph {
  const graph = cloneGraph(source);
  const nodes = graph.nodes;
  graph.nodes = [];
  const rewriter = new Rewriter(new GradientBuilder(new Emitter(graph)), source, plan, options);
  for (const node of nodes) if (!rewriter.replace(node)) graph.nodes.push(node);
  return graph;
}

export interface CodesOptions {
  /** Largest absolute values of gradients on some samples, by the names that `withAmax` gives them; all positive. */
  amax: ReadonlyMap<string, number>;
  /** Whether the forward runs on integer kernels: activations then exist as codes only. */
  integerForward: boolean;
}

/** Codes of a gradient, and the largest absolute value that they can have. */
interface Ranged extends Coded {
  amax: number;
}

class Rewriter {
  readonly #build: GradientBuilder;
  readonly #plan: IntegerBackward;
  readonly #options: CodesOptions;
  readonly #source: Graph;
  readonly #index: GraphIndex;
  readonly #codes = new Map<string, Ranged>();

  constructor(build: GradientBuilder, source: Graph, plan: IntegerBackward, options: CodesOptions) {
    this.#build = build;
    this.#source = source;
    this.#plan = plan;
    this.#options = options;
    this.#index = indexGraph(source);
  }

  /** Emits what stands for a node; false where the node stays. */
  replace(node: Node): boolean {
    const value = node.outputs[0] as string;
    const { emitter } = this.#build;
    emitter.standFor(node);
    if (node.opType === "ReduceSum") return this.#sumOfMaps(node);
    if (node.domain === gradientDomain && node.opType === "ConvWeightGrad") return this.#weightGradient(node);
    if (node.domain === gradientDomain && node.opType === "LinearWeightGrad")
      return this.#linearWeightGradient(node);
    if (this.#plan.products.has(value)) return this.#emit(node, () => codedLinearDataGrad(this.#build, node));
    if (!this.#plan.coded.has(value)) return false;
    const coded = this.#replacement(node, value);
    this.#codes.set(value, coded);
    this.#dequantize(coded, value);
    return true;
  }

  /** Weight gradients of convolutions from the codes of x, where x has no float value in the graph. */
  #weightGradient(node: Node): boolean {
    const [x = "", dy = "", rows] = node.inputs;
    const problem = windowProblemOf(node);
    const to = this.#codes.get(dy);
    const from = this.#codedInput(x, problem.x.length);
    if (to === undefined || from === undefined || !fitsIntegerProduct(problem) || unfoldsInput(problem))
      return false;
    return this.#emit(node, () => codedConvWeightGrad(this.#build, from, to, rows, problem));
  }

  /** What a function emits under the name of a node's output. */
  #emit(node: Node, gradient: () => string): true {
    const b = this.#build;
    const since = b.emitter.graph.nodes.length;
    b.nameOutput(gradient(), node.outputs[0] as string, since);
    return true;
  }

  /** Weight gradients of linear layers from the codes that x was made of. */
  #linearWeightGradient(node: Node): boolean {
    const [x = "", dy = "", rows] = node.inputs;
    const operand = operandOf(x, this.#source, this.#index);
    const [tokens = Infinity] = intsOf(node, "x_shape") ?? [];
    if (operand === undefined || operand.axis !== undefined || operand.zeroPoint === "") return false;
    if (!fitsTokens(tokens)) return false;
    const b = this.#build;
    return this.#emit(node, () =>
      codedLinearWeightGrad(b, { ...operand, codes: moveCodes(b, operand) }, dy, rows),
    );
  }

  #codedInput(x: string, rank: number): Coded | undefined {
    if (!this.#options.integerForward) return undefined;
    const operand = operandOf(x, this.#source, this.#index);
    if (operand === undefined || operand.axis !== undefined || operand.zeroPoint === "") return undefined;
    if (operand.moves.length > 0) return undefined;
    return { ...operand, codes: channelsLast(this.#build, operand.codes, rank) };
  }

  /** The sum of each map of coded gradients: a product of codes and ones, exact, that reads a byte per element. */
  #sumOfMaps(node: Node): boolean {
    const [value = "", axes = ""] = node.inputs;
    const from = this.#codes.get(value);
    const shape = this.#plan.shapes.get(value);
    const over = this.#build.emitter.graph.initializers.get(axes);
    if (from === undefined || shape === undefined || over === undefined) return false;
    const spatial = shape.map((_, axis) => axis).slice(2);
    if (
      intOf(node, "keepdims", 1) !== 0 ||
      Array.from(viewAs(over, "int64"), Number).join() !== spatial.join()
    )
      return false;
    const b = this.#build;
    const [images, channels, ...sizes] = shape as [number, number, ...number[]];
    const since = b.emitter.graph.nodes.length;
    const maps = b.reshape(from.codes, [images, elementCount(sizes), channels]);
    const ones = b.emitter.constant(
      tensorOf("uint8", [1, elementCount(sizes)], new Uint8Array(elementCount(sizes)).fill(1)),
    );
    const sums = b.op("MatMulInteger", [ones, maps, zeroCode(b), from.zeroPoint]);
    const scaled = b.mul(b.cast(b.reshape(sums, [images, channels]), "float32"), from.scale);
    b.nameOutput(scaled, node.outputs[0] as string, since);
    return true;
  }

  /**
   * The gradient in float for the nodes that stay so. The reshapes around it keep ONNX Runtime (1.30, 1.32) from pushing
   * the transpose through several readers, some of which broadcast: it then ends with shapes that do not fit each other.
   */
  #dequantize({ codes, scale, zeroPoint }: Coded, value: string): void {
    const b = this.#build;
    const shape = this.#plan.shapes.get(value) as readonly number[];
    const flat = b.reshape(channelsFirst(b, codes, shape.length), [-1, elementCount(shape.slice(2))]);
    const values = b.op("DequantizeLinear", [flat, scale, zeroPoint]);
    b.emitter.op("Reshape", [values, b.ints(shape)], {}, { outputs: [value] });
  }

  #replacement(node: Node, value: string): Ranged {
    const b = this.#build;
    if (node.opType === "ConvDataGrad") {
      const [dy, , codes, scale] = node.inputs as [string, string, string, string];
      const from = this.#codesOf(dy);
      const step = this.#stepFrom(from, value);
      return { ...step, ...codedConvDataGrad(b, from, { codes, scale }, windowProblemOf(node), step.scale) };
    }
    if (node.opType === "Add") {
      const [left, right] = node.inputs.map((name) => this.#codesOf(name)) as [Ranged, Ranged];
      const step = this.#stepFrom(left.amax > right.amax ? left : right, value);
      const to = { ...step, zeroPoint: middleCode(b) };
      return { ...to, codes: this.#kernel("QLinearAdd", left, right, to) };
    }
    const [gradient, condition] = node.inputs as [string, string];
    const from = this.#codesOf(gradient);
    const codes = channelsLast(b, b.cast(condition, "uint8"), rankOf(this.#plan, value));
    const mask = { codes, scale: b.scalar(1), zeroPoint: zeroCode(b) };
    return { ...from, codes: this.#kernel("QLinearMul", from, mask, from) };
  }

  #kernel(opType: string, left: Coded, right: Coded, to: Omit<Coded, "codes">): string {
    const inputs = [left, right].flatMap(({ codes, scale, zeroPoint }) => [codes, scale, zeroPoint]);
    return this.#build.op(opType, [...inputs, to.scale, to.zeroPoint], {}, "com.microsoft");
  }

  /** The codes of a value; those of one that stays float are made where they are first wanted, as wide as it is. */
  #codesOf(name: string): Ranged {
    const known = this.#codes.get(name);
    if (known !== undefined) return known;
    const made = this.#build.emitter.node("DynamicQuantizeLinear", [name], { outputCount: 3 });
    const [plain, scale, zeroPoint] = made as [string, string, string];
    const codes = channelsLast(this.#build, plain, rankOf(this.#plan, name));
    const coded = { codes, scale, zeroPoint, amax: this.#amaxOf(name) };
    this.#codes.set(name, coded);
    return coded;
  }

  /** The scale of a value's codes: so many times that of the codes that it comes from. */
  #stepFrom(from: Ranged, value: string): { scale: string; amax: number } {
    const amax = headroom * this.#amaxOf(value);
    const b = this.#build;
    return { scale: b.mul(from.scale, b.scalar(amax / from.amax)), amax };
  }

  #amaxOf(name: string): number {
    const amax = this.#options.amax.get(amaxName(name));
    if (amax === undefined)
      throw new InternalError(`the largest absolute value of the gradient "${name}" was not measured`);
    return amax;
  }
}

/** How much wider than measured the codes of gradients are. */
export const headroom = 1.25;

const rankOf = ({ shapes }: IntegerBackward, name: string): number => shapes.get(name)?.length ?? 0;

const zeroCode = (b: GradientBuilder): string => b.emitter.constant(tensorOf("uint8", [], Uint8Array.of(0)));
