import { InternalError } from "../errors.ts";
import type { Emitter, EmitOptions } from "../ir/emit.ts";
import type { Purpose } from "../ir/provenance.ts";
import { gradientDomain, type GradientOp } from "../ops/gradient-nodes.ts";
import { dataTypes, type DataType } from "../tensor/data-type.ts";
import { elementCount, floats, ints, scalar, tensorOf } from "../tensor/tensor.ts";

type Attributes = NonNullable<EmitOptions["attributes"]>;

/** Purposes of the gradient nodes of layers; other nodes have the purpose of the node that they belong to. */
const purposeOf: Partial<Record<GradientOp, Purpose>> = {
  ConvDataGrad: "data gradients",
  LinearDataGrad: "data gradients",
  ConvWeightGrad: "weight gradients",
  LinearWeightGrad: "weight gradients",
};

/**
 * Emits the nodes of the backward graph. An operator applied twice to the same values with the same
 * attributes is emitted once, so rules may ask for a product or a sum without caring who else needs it.
 */
export class GradientBuilder {
  readonly emitter: Emitter;
  readonly #known = new Map<string, string>();
  readonly #several = new Map<string, readonly string[]>();

  constructor(emitter: Emitter) {
    this.emitter = emitter;
  }

  /** A node of one output, shared with an equal one emitted before. */
  op(opType: string, inputs: readonly string[], attributes: Attributes = {}, domain = ""): string {
    const key = keyOf(opType, domain, inputs, attributes);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const output = this.emitter.op(opType, inputs, attributes, { domain });
    this.#known.set(key, output);
    return output;
  }

  /** All outputs of a node, shared with an equal one emitted before. */
  outputs(
    opType: string,
    inputs: readonly string[],
    attributes: Attributes,
    count: number,
  ): readonly string[] {
    if (count === 1) return [this.op(opType, inputs, attributes)];
    const key = `${count} of ${keyOf(opType, "", inputs, attributes)}`;
    const known = this.#several.get(key);
    if (known !== undefined) return known;
    const outputs = this.emitter.node(opType, inputs, { attributes, outputCount: count });
    this.#several.set(key, outputs);
    return outputs;
  }

  /** An abstract gradient node, which lowering replaces. */
  gradient(op: GradientOp, inputs: readonly string[], attributes: Attributes): string {
    const { emitter } = this;
    const { provenance } = emitter;
    const purpose = purposeOf[op];
    if (provenance !== undefined && purpose !== undefined) emitter.provenance = { ...provenance, purpose };
    const output = this.op(op, inputs, attributes, gradientDomain);
    emitter.provenance = provenance;
    return output;
  }

  /** Renames a value that this builder emitted, in the nodes from index `since` on. */
  rename(from: string, to: string, since: number): void {
    this.emitter.rename(from, to, since);
    for (const [key, value] of this.#known) if (value === from) this.#known.set(key, to);
  }

  /** Renames a value to `output`, or adds an Identity if a node before index `since` computes it. */
  nameOutput(value: string, output: string, since: number): void {
    if (this.emitter.makes(value, since)) this.rename(value, output, since);
    else this.emitter.op("Identity", [value], {}, { outputs: [output] });
  }

  /** A scalar constant of a float type. */
  scalar(value: number, dtype: DataType = "float32"): string {
    if (dtype === "float32") return this.emitter.constant(scalar(value));
    if (dtype === "float64") return this.emitter.constant(tensorOf("float64", [], Float64Array.of(value)));
    return this.cast(this.emitter.constant(scalar(value)), dtype);
  }

  /** A one-dimensional int64 constant: a shape, axes, starts. */
  ints(values: readonly number[]): string {
    return this.emitter.constant(ints(values));
  }

  /** A constant float32 tensor filled with one value. */
  filled(value: number, shape: readonly number[]): string {
    return this.emitter.constant(floats(new Float32Array(elementCount(shape)).fill(value), shape));
  }

  cast(value: string, to: DataType): string {
    return this.op("Cast", [value], { to: dataTypes[to].code });
  }

  /** 1 where the boolean holds, 0 elsewhere. Mul by this is four times as fast as Where. */
  indicator(condition: string, dtype: DataType): string {
    return this.cast(condition, dtype);
  }

  add = (a: string, b: string): string => this.op("Add", [a, b]);
  sub = (a: string, b: string): string => this.op("Sub", [a, b]);
  mul = (a: string, b: string): string => this.op("Mul", [a, b]);
  div = (a: string, b: string): string => this.op("Div", [a, b]);
  neg = (a: string): string => this.op("Neg", [a]);

  /** Sum over axes (all of them when not given). */
  sum(value: string, axes?: readonly number[], keepdims = false): string {
    if (axes?.length === 0) return value;
    const inputs = axes === undefined ? [value] : [value, this.ints(axes)];
    return this.op("ReduceSum", inputs, { keepdims: keepdims ? 1 : 0 });
  }

  reshape(value: string, shape: readonly number[]): string {
    return this.op("Reshape", [value, this.ints(shape)]);
  }

  transpose(value: string, perm: readonly number[]): string {
    return perm.every((axis, i) => axis === i) ? value : this.op("Transpose", [value], { perm });
  }

  /** Sums a value of shape `from` down to the broadcast operand's shape `to`. */
  unbroadcast(value: string, from: readonly number[], to: readonly number[]): string {
    const extra = from.length - to.length;
    if (extra < 0) throw new InternalError(`cannot reduce [${from.join()}] to [${to.join()}]`);
    const axes = from
      .map((_, axis) => axis)
      .filter((axis) => axis < extra || (to[axis - extra] === 1 && from[axis] !== 1));
    if (axes.length === 0) return value;
    if (axes.every((axis) => axis < extra)) return this.sum(value, axes);
    const kept = this.sum(value, axes, true);
    return extra === 0 ? kept : this.reshape(kept, to);
  }
}

function keyOf(opType: string, domain: string, inputs: readonly string[], attributes: Attributes): string {
  const printable = JSON.stringify(attributes, (_, value: unknown) =>
    typeof value === "bigint"
      ? value.toString()
      : value instanceof Uint8Array
        ? Buffer.from(value).toString("base64")
        : value,
  );
  return `${domain}:${opType}(${inputs.join()})${printable}`;
}
