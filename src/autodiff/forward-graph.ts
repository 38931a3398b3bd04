import { InternalError } from "../errors.ts";
import { indexGraph, type GraphIndex } from "../ir/graph.ts";
import { intOf, tensorOfAttribute } from "../ir/attributes.ts";
import type { Graph, Node, Value } from "../ir/model.ts";
import { isFloat, type DataType } from "../tensor/data-type.ts";
import { toNumbers, type Tensor } from "../tensor/tensor.ts";
import { matchFakeQuantizer, type FakeQuantizer } from "../ops/fake-quantizer.ts";
import type { TrainedWeight, TypedValue } from "./typed-value.ts";

/** The weights whose rows train, as `differentiate` is told of them. */
export interface WeightRequest {
  codes: string;
  scale: string;
  /** Name of the int64 [R] value that lists the rows. */
  rows: string;
}

/** Lookups over the graph that is differentiated: types, constants, producers, quantizers, trained weights. */
export class ForwardGraph {
  readonly graph: Graph;
  readonly index: GraphIndex;
  readonly #types = new Map<string, Value>();
  readonly #quantizers = new Map<Node, FakeQuantizer>();
  readonly #dequantized = new Map<string, DequantizedWeight>();
  readonly #trained = new Map<string, TrainedWeight>();

  constructor(graph: Graph, parameters: ReadonlySet<string>, weights: readonly WeightRequest[]) {
    this.graph = graph;
    this.index = indexGraph(graph);
    for (const value of [...graph.outputs, ...graph.inputs]) this.#types.set(value.name, value);
    for (const [name, value] of graph.valueInfo) this.#types.set(name, value);
    const requested = new Map(weights.map((weight) => [weight.codes, weight]));
    for (const node of graph.nodes) this.#registerDequantizer(node, parameters, requested);
  }

  /** Static type of a value; undefined when it is unknown, symbolic or not a tensor. */
  typeOf(name: string): TypedValue | undefined {
    const tensor = this.graph.initializers.get(name);
    if (tensor !== undefined) return { name, dtype: tensor.dtype, shape: tensor.dims };
    const type = this.#types.get(name)?.type;
    if (type?.kind !== "tensor" || type.shape === undefined) return undefined;
    if (!type.shape.every((dim): dim is number => typeof dim === "number")) return undefined;
    return { name, dtype: type.dtype, shape: type.shape };
  }

  /** Element type of a value, also where its shape is not static. */
  dtypeOf(name: string): DataType | undefined {
    const type = this.#types.get(name)?.type;
    return this.graph.initializers.get(name)?.dtype ?? (type?.kind === "tensor" ? type.dtype : undefined);
  }

  /** A value whose static type must be known. */
  require(name: string): TypedValue {
    const type = this.typeOf(name);
    if (type === undefined) throw new InternalError(`value "${name}" has no static type`);
    return type;
  }

  /** A constant's value: an initializer that is no graph input, or a Constant node's tensor. */
  constantOf(name: string): Tensor | undefined {
    const tensor = this.graph.initializers.get(name);
    if (tensor !== undefined) return this.index.inputs.has(name) ? undefined : tensor;
    const producer = this.index.producer.get(name);
    return producer?.opType === "Constant" ? tensorOfAttribute(producer, "value") : undefined;
  }

  quantizerOf(node: Node): FakeQuantizer | undefined {
    return this.#quantizers.get(node);
  }

  /** The trained quantized weight whose dequantized value this is. */
  trainedWeight(value: string): TrainedWeight | undefined {
    return this.#trained.get(value);
  }

  /**
   * The values that gradients of a node go to: its inputs, and for a fake quantizer's DequantizeLinear the
   * quantized value, the scale and the zero point.
   */
  slotsOf(node: Node): string[] {
    const quantizer = this.#quantizers.get(node);
    if (quantizer !== undefined) return [quantizer.x, quantizer.scale, quantizer.zeroPoint ?? ""];
    return node.inputs;
  }

  /** Whether a slot can carry a gradient at all: a float value, or a zero point, or a weight's codes. */
  differentiable(node: Node, name: string): boolean {
    if (name === "") return false;
    if (node.opType === "DequantizeLinear") return true;
    const dtype = this.dtypeOf(name);
    return dtype === undefined || isFloat(dtype);
  }

  /** Codes, scale and row axis behind a dequantized weight, when its zero point is 0. */
  dequantizedWeight(value: string): DequantizedWeight | undefined {
    return this.#dequantized.get(value);
  }

  /** Row axis of the weight with these codes. */
  weightAxis(codes: string): number | undefined {
    for (const weight of this.#dequantized.values()) if (weight.codes === codes) return weight.axis;
    return undefined;
  }

  #registerDequantizer(
    node: Node,
    parameters: ReadonlySet<string>,
    requested: ReadonlyMap<string, WeightRequest>,
  ): void {
    if (node.opType !== "DequantizeLinear" || node.domain !== "") return;
    const quantizer = matchFakeQuantizer(
      node,
      this.index,
      (name) => this.constantOf(name),
      (name) => this.dtypeOf(name),
    );
    if (quantizer !== undefined) this.#quantizers.set(node, quantizer);
    if (quantizer !== undefined) return;
    const [codes = "", scale = "", zeroPoint = ""] = node.inputs;
    const value = node.outputs[0] as string;
    const rank = this.typeOf(scale)?.shape.length ?? 0;
    const axis = rank === 0 ? undefined : intOf(node, "axis", 1);
    const zeros = zeroPoint === "" ? undefined : this.constantOf(zeroPoint);
    const symmetric =
      zeroPoint === "" || (zeros !== undefined && toNumbers(zeros).every((zero) => zero === 0));
    if (!symmetric || rank > 1 || intOf(node, "block_size", 0) !== 0) return;
    this.#dequantized.set(value, { codes, scale, axis });
    const rows = requested.get(codes)?.rows;
    const wantsScale = parameters.has(scale);
    if (rows === undefined && !wantsScale) return;
    this.#trained.set(value, { value, codes, scale, axis, rows, wantsScale });
  }
}

/** What a DequantizeLinear of a weight reads. */
export interface DequantizedWeight {
  codes: string;
  scale: string;
  /** undefined: one scale for all rows. */
  axis: number | undefined;
}
