import type { Node } from "../../ir/model.ts";
import { intOf } from "../../ir/attributes.ts";
import { createNode, readNames } from "../../ir/graph.ts";
import { movedOutputs, rowOf } from "../../ops/catalogue/catalogue.ts";
import { codeLimits } from "../../ops/fake-quantizer.ts";
import { scalar, viewAs } from "../../tensor/tensor.ts";
import { dequantize } from "./code-constants.ts";
import type { FileActivation, FileQuantizers, FileWeight } from "./file-quantizers.ts";
import { type Bounds, boundsOfCodes, KnownBounds } from "./find-bounds.ts";
import { type GraphRewrite, notUndone } from "./graph-rewrite.ts";

/** Integers of quantizers, as scales and zero points are named where codes are made or read. */
interface CodeNames {
  scale: string;
  zeroPoint: string;
  axis: number;
}

/** A float value and how the file encodes it. */
interface FloatValue {
  name: string;
  activation?: FileActivation | undefined;
  weight?: FileWeight | undefined;
}

/** Finds the floats that codes stand for, writing the nodes that they need into the new graph. */
export class FloatValues {
  readonly #rewrite: GraphRewrite;
  readonly #quantizers: FileQuantizers;
  readonly #found = new Map<string, FloatValue>();
  readonly #emitted = new Map<string, Node>();
  readonly #alias = new Map<string, string>();
  readonly #bounds: KnownBounds;
  readonly #readers: ReadonlyMap<string, readonly Node[]>;
  readonly #outputs: ReadonlySet<string>;

  constructor(rewrite: GraphRewrite, quantizers: FileQuantizers) {
    this.#rewrite = rewrite;
    this.#quantizers = quantizers;
    this.#bounds = new KnownBounds(rewrite.graph, (name) => this.#emitted.get(name));
    this.#outputs = new Set(rewrite.graph.outputs.map(({ name }) => name));
    const readers = new Map<string, Node[]>();
    for (const node of rewrite.source)
      for (const name of readNames(node)) {
        const list = readers.get(name);
        if (list === undefined) readers.set(name, [node]);
        else list.push(node);
      }
    this.#readers = readers;
  }

  /** Values that stand for dequantized ones, by their names. */
  get aliases(): ReadonlyMap<string, string> {
    return this.#alias;
  }

  #resolve(name: string): string {
    return this.#alias.get(name) ?? name;
  }

  /** Notes a node that was written into the new graph. */
  enter(node: Node): void {
    for (const name of node.outputs) {
      this.#emitted.set(name, node);
      this.#bounds.forget(name);
    }
  }

  /** Lets floats take the place of what a DequantizeLinear writes. */
  dequantize(node: Node): void {
    const [codes = "", scale = "", zeroPoint = ""] = node.inputs;
    const [output = ""] = node.outputs;
    const value = this.#floatsOf(codes, { scale, zeroPoint, axis: intOf(node, "axis", 1) }, node);
    if (this.#outputs.has(output)) this.#write(node, "Identity", [value.name], output);
    else this.#alias.set(output, value.name);
    for (const name of [value.name, output]) this.#record(name, value);
  }

  #record(name: string, { activation, weight }: FloatValue): void {
    if (activation !== undefined) this.#quantizers.activations.set(name, activation);
    if (weight !== undefined) this.#quantizers.weights.set(name, weight);
  }

  /** The floats of `codes` that are dequantized with these scales, for the node that reads them. */
  #floatsOf(codes: string, names: CodeNames, reader: Node): FloatValue {
    const key = JSON.stringify([codes, names.scale, names.zeroPoint, names.axis]);
    const known = this.#found.get(key);
    if (known !== undefined) return known;
    const found = this.#rewrite.constant(codes)
      ? this.#constant(codes, names, reader)
      : this.#computed(codes, names, reader);
    this.#found.set(key, found);
    return found;
  }

  #constant(codes: string, names: CodeNames, reader: Node): FloatValue {
    const { graph, emit } = this.#rewrite;
    const [data, scale, zeroPoint] = [codes, names.scale, names.zeroPoint].map((name) =>
      this.#rewrite.constant(name),
    );
    if (data === undefined || scale === undefined)
      throw notUndone(reader, "the scale of its codes is computed");
    if (intOf(reader, "block_size", 0) !== 0) throw notUndone(reader, "its scales are those of blocks");
    const found = dequantize(data, scale, zeroPoint, names.axis);
    if (typeof found === "string") throw notUndone(reader, found);
    const direct = reader.opType === "DequantizeLinear" && reader.inputs[0] === codes;
    const own = direct && !this.#outputs.has(reader.outputs[0] ?? "");
    const name = own ? (reader.outputs[0] as string) : emit.fresh(`${codes}.floats`);
    graph.initializers.set(name, found.floats);
    return { name, weight: found.weight };
  }

  #computed(codes: string, names: CodeNames, reader: Node): FloatValue {
    const node = this.#rewrite.producer(codes);
    if (node === undefined) throw notUndone(reader, `"${codes}" comes into the model as codes`);
    if (node.opType === "QuantizeLinear") return this.#quantized(node, names, reader);
    if (node.opType === "DynamicQuantizeLinear") {
      if (node.outputs[1] !== names.scale) throw notUndone(reader, "it takes the codes of another scale");
      return { name: this.#resolve(node.inputs[0] as string) };
    }
    if (node.opType === "Clip") return this.#clipped(node, names);
    const moves = rowOf(node)?.moves;
    if (moves === undefined || node.domain !== "")
      throw notUndone(reader, `it reads what ${node.opType} makes of codes`);
    return this.#moved(node, codes, names);
  }

  /** What a QuantizeLinear reads, behind the Relu or Clip that its codes stand for. */
  #quantized(node: Node, names: CodeNames, reader: Node, clip?: readonly [number, number]): FloatValue {
    const [source = "", scale = "", zeroPoint = ""] = node.inputs;
    if (!this.#same(scale, names.scale) || !this.#same(zeroPoint, names.zeroPoint))
      throw notUndone(reader, "it takes codes with another scale or zero point than they were made with");
    const value = this.#resolve(source);
    const activation = this.#activation(node, clip);
    const floats = this.#rewrite.constant(value);
    if (floats !== undefined) return { name: value, activation, weight: this.#scalesOf(node) };
    const bounds = activation && boundsOfCodes(activation);
    const missing = bounds && this.#bounds.missing(value, bounds);
    return { name: missing === undefined ? value : this.#bounded(node, value, missing), activation };
  }

  /** Scales of a float constant that is quantized where the model runs. */
  #scalesOf({ inputs: [, scale] }: Node): FileWeight | undefined {
    const tensor = this.#rewrite.constant(scale);
    return tensor?.dtype === "float32" ? { scale: viewAs(tensor, "float32"), bits: 8 } : undefined;
  }

  #same(a: string, b: string): boolean {
    if (a === b) return true;
    const [left, right] = [this.#rewrite.constant(a), this.#rewrite.constant(b)];
    if (left !== undefined && right !== undefined)
      return left.dtype === right.dtype && Buffer.compare(left.bytes, right.bytes) === 0;
    // A zero point that is left out is zero.
    const one = left ?? right;
    return (a === "" || b === "") && one !== undefined && one.bytes.every((byte) => byte === 0);
  }

  /** Scale, zero point and codes of a quantizer with one scale; undefined for others. */
  #activation(node: Node, clip?: readonly [number, number]): FileActivation | undefined {
    const scale = this.#rewrite.number(node.inputs[1]);
    const zero = this.#rewrite.constant(node.inputs[2]);
    const codes = codeLimits[zero?.dtype ?? "uint8"];
    if (scale === undefined || codes === undefined) return undefined;
    const [qmin, qmax] =
      clip === undefined ? codes : [Math.max(codes[0], clip[0]), Math.min(codes[1], clip[1])];
    const zeroPoint = this.#rewrite.number(node.inputs[2]) ?? 0;
    return { scale, zeroPoint, qmin, qmax, signed: codes[0] < 0 };
  }

  #clipped(node: Node, names: CodeNames): FloatValue {
    const [codes = "", low, high] = node.inputs;
    const producer = this.#rewrite.producer(codes);
    const bounds = [this.#rewrite.number(low) ?? -Infinity, this.#rewrite.number(high) ?? Infinity] as const;
    if (producer?.opType !== "QuantizeLinear")
      throw notUndone(node, "it bounds codes that no QuantizeLinear makes");
    return this.#quantized(producer, names, node, bounds);
  }

  #moved(node: Node, codes: string, names: CodeNames): FloatValue {
    const { from, to } = rowOf(node)?.moves ?? { from: [0], to: [0] };
    const slots = from === "all" ? [...node.inputs.keys()] : from;
    const parts = new Map(
      slots.map((slot) => [slot, this.#floatsOf(node.inputs[slot] as string, names, node)] as const),
    );
    const inputs = node.inputs.map((name, slot) => parts.get(slot)?.name ?? this.#resolve(name));
    const outputs = node.outputs.map((name) =>
      name === "" ? "" : this.#rewrite.emit.fresh(`${name}.floats`),
    );
    const copy = createNode({
      name: this.#rewrite.emit.fresh(`${node.name}.floats`),
      opType: node.opType,
      inputs,
      outputs,
      attributes: Object.fromEntries(node.attributes),
    });
    this.#put(copy);
    const activation = [...parts.values()][0]?.activation;
    const moved = movedOutputs({ from, to }, node);
    for (const [slot, name] of node.outputs.entries())
      if (moved.includes(name) && name !== codes)
        this.#found.set(JSON.stringify([name, names.scale, names.zeroPoint, names.axis]), {
          name: outputs[slot] as string,
          activation,
        });
    return { name: outputs[node.outputs.indexOf(codes)] as string, activation };
  }

  /** A Relu or Clip behind a value, which takes over its name where only quantizers read it. */
  #bounded(quantizer: Node, value: string, { min, max }: Bounds): string {
    const { emit, graph } = this.#rewrite;
    const producer = this.#emitted.get(value);
    const readers = this.#readers.get(value) ?? [];
    const alone = readers.every((node) => node.opType === "QuantizeLinear" && this.#alike(node, quantizer));
    let input = value;
    let output = emit.fresh(`${value}.bounded`);
    if (producer !== undefined && alone && !this.#outputs.has(value)) {
      input = output;
      output = value;
      producer.outputs = producer.outputs.map((name) => (name === value ? input : name));
      graph.valueInfo.delete(value);
      this.enter(producer);
    }
    const bound = (limit: number): string =>
      Number.isFinite(limit) ? emit.constant(scalar(limit), "bound") : "";
    const inputs = max === Infinity ? [input] : [input, bound(min), bound(max)];
    this.#write(quantizer, max === Infinity ? "Relu" : "Clip", inputs, output);
    return output;
  }

  #alike(a: Node, b: Node): boolean {
    return a === b || [1, 2].every((slot) => this.#same(a.inputs[slot] ?? "", b.inputs[slot] ?? ""));
  }

  #write(beside: Node, opType: string, inputs: readonly string[], output: string): void {
    const name = this.#rewrite.emit.fresh(`${beside.name}/${opType}`);
    this.#put(createNode({ name, opType, inputs, outputs: [output] }));
  }

  #put(node: Node): void {
    this.#rewrite.graph.nodes.push(node);
    this.enter(node);
  }
}
