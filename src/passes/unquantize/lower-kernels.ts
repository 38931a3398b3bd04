import { type AttributeInput, floatOf, intOf } from "../../ir/attributes.ts";
import type { Model, Node } from "../../ir/model.ts";
import { readNumbers } from "../../tensor/read-numbers.ts";
import { floats, type Tensor } from "../../tensor/tensor.ts";
import { GraphRewrite, notUndone } from "./graph-rewrite.ts";

/** What a rule for a kernel on codes works with: the node's inputs dequantized, its result quantized. */
class Kernel {
  readonly node: Node;
  readonly #rewrite: GraphRewrite;

  constructor(node: Node, rewrite: GraphRewrite) {
    this.node = node;
    this.#rewrite = rewrite;
    rewrite.emit.prefix = node.name;
  }

  has(slot: number): boolean {
    return (this.node.inputs[slot] ?? "") !== "";
  }

  input(slot: number): string {
    return this.node.inputs[slot] ?? "";
  }

  /** The node's attributes but those named. */
  attributes(...left: readonly string[]): Record<string, AttributeInput> {
    return Object.fromEntries([...this.node.attributes].filter(([name]) => !left.includes(name)));
  }

  op(opType: string, inputs: readonly string[], attributes: Record<string, AttributeInput> = {}): string {
    return this.#rewrite.emit.op(opType, inputs, attributes);
  }

  /** Codes in one slot, their scale in another and their zero point in a third, which may be left out. */
  dequantized(codes: number, scale: number, zeroPoint: number, axis = 0): string {
    const names = [codes, scale, ...(this.has(zeroPoint) ? [zeroPoint] : [])].map((slot) => this.input(slot));
    return this.#dequantize(names, axis);
  }

  #dequantize(inputs: readonly string[], axis: number): string {
    const { emit } = this.#rewrite;
    const outputs = [emit.fresh(`${floatName(inputs[0] as string)}.dq`)];
    return emit.op("DequantizeLinear", inputs, { axis }, { outputs });
  }

  /** An int32 bias, whose scale is the product of two others. */
  bias(slot: number, scales: readonly [number, number], factor = 1): string[] {
    if (!this.has(slot)) return [];
    const [a, b] = scales.map((each) => this.#rewrite.constant(this.input(each)));
    if (a === undefined || b === undefined) throw notUndone(this.node, "the scale of its bias is computed");
    const scale = this.#rewrite.emit.constant(multiply(a, b, factor), "bias.scale");
    return [this.#dequantize([this.input(slot), scale], 0)];
  }

  /** The operator that the node computes; its result as codes, or as floats where there is no scale. */
  finish(
    opType: string,
    inputs: readonly string[],
    steps: readonly [scale: number, zeroPoint: number] | readonly [],
    attributes: Record<string, AttributeInput> = {},
  ): void {
    const { emit } = this.#rewrite;
    const [output = ""] = this.node.outputs;
    const names = steps.filter((slot) => this.has(slot)).map((slot) => this.input(slot));
    if (names.length === 0) {
      emit.op(opType, inputs, attributes, { outputs: [output] });
      return;
    }
    const value = emit.op(opType, inputs, attributes, { outputs: [emit.fresh(floatName(output))] });
    emit.op("QuantizeLinear", [value, ...names], {}, { outputs: [output] });
  }
}

/** What codes are codes of, as ONNX Runtime's quantizer names them. */
const floatName = (codes: string): string => {
  const name = codes.replace(/[._](quantized|codes)$/, "");
  return name === codes ? `${codes}.floats` : name;
};

function multiply(a: Tensor, b: Tensor, factor: number): Tensor {
  const [left, right] = [readNumbers(a), readNumbers(b)];
  const longer = left.length >= right.length ? left : right;
  const products = Array.from(
    longer,
    (_, i) =>
      (left[left.length === 1 ? 0 : i] as number) * (right[right.length === 1 ? 0 : i] as number) * factor,
  );
  return floats(products, products.length === 1 ? [] : [products.length]);
}

const conv = (kernel: Kernel): void => {
  refuseChannelsLast(kernel);
  const inputs = [kernel.dequantized(0, 1, 2), kernel.dequantized(3, 4, 5), ...kernel.bias(8, [1, 4])];
  kernel.finish("Conv", inputs, [6, 7], kernel.attributes("channels_last"));
};

function refuseChannelsLast({ node }: Kernel): void {
  if (intOf(node, "channels_last", 0) === 1) throw notUndone(node, "its channels come last");
}

const matMul = (kernel: Kernel): void =>
  kernel.finish("MatMul", [kernel.dequantized(0, 1, 2), kernel.dequantized(3, 4, 5, -1)], [6, 7]);

const gemm = (kernel: Kernel): void => {
  const { node } = kernel;
  const axis = intOf(node, "transB", 0) === 1 ? 0 : 1;
  const inputs = [kernel.dequantized(0, 1, 2), kernel.dequantized(3, 4, 5, axis)];
  const bias = kernel.bias(6, [1, 4], floatOf(node, "alpha", 1));
  kernel.finish("Gemm", [...inputs, ...bias], [7, 8], kernel.attributes());
};

const binary =
  (opType: string) =>
  (kernel: Kernel): void =>
    kernel.finish(opType, [kernel.dequantized(0, 1, 2), kernel.dequantized(3, 4, 5)], [6, 7]);

const unary =
  (opType: string) =>
  (kernel: Kernel): void => {
    refuseChannelsLast(kernel);
    const attributes = kernel.attributes("channels_last", "opset");
    kernel.finish(opType, [kernel.dequantized(0, 1, 2)], [3, 4], attributes);
  };

const concat = (kernel: Kernel): void => {
  const parts = Array.from({ length: (kernel.node.inputs.length - 2) / 3 }, (_, i) => 2 + 3 * i);
  const inputs = parts.map((slot) => kernel.dequantized(slot, slot + 1, slot + 2));
  kernel.finish("Concat", inputs, [0, 1], kernel.attributes());
};

const where = (kernel: Kernel): void => {
  const branches = [kernel.dequantized(1, 2, 3), kernel.dequantized(4, 5, 6)];
  kernel.finish("Where", [kernel.input(0), ...branches], [7, 8]);
};

/** A product of floats, and the sum with a float bias where there is one. */
function product(kernel: Kernel, operands: readonly string[], bias: number): void {
  if (kernel.has(bias)) kernel.finish("Add", [kernel.op("MatMul", operands), kernel.input(bias)], []);
  else kernel.finish("MatMul", operands, []);
}

/** a: codes, b: codes, then their scales and zero points, and a float bias. */
const matMulToFloat = (kernel: Kernel): void =>
  product(kernel, [kernel.dequantized(0, 2, 4), kernel.dequantized(1, 3, 5, -1)], 6);

/** a: floats, b: codes, its scale and zero point, and a float bias. */
const dynamicMatMul = (kernel: Kernel): void =>
  product(kernel, [kernel.input(0), kernel.dequantized(1, 2, 3, -1)], 4);

/** Codes of floats and back, as the default domain has them too. */
const standard =
  (opType: string) =>
  (kernel: Kernel): void =>
    kernel.finish(opType, kernel.node.inputs, [], kernel.attributes());

const rules: Readonly<Record<string, (kernel: Kernel) => void>> = {
  ":QLinearConv": conv,
  ":QLinearMatMul": matMul,
  "com.microsoft:DequantizeLinear": standard("DequantizeLinear"),
  "com.microsoft:DynamicQuantizeMatMul": dynamicMatMul,
  "com.microsoft:MatMulIntegerToFloat": matMulToFloat,
  "com.microsoft:QGemm": gemm,
  "com.microsoft:QLinearAdd": binary("Add"),
  "com.microsoft:QLinearAveragePool": unary("AveragePool"),
  "com.microsoft:QLinearConcat": concat,
  "com.microsoft:QLinearConv": conv,
  "com.microsoft:QLinearGlobalAveragePool": unary("GlobalAveragePool"),
  "com.microsoft:QLinearLeakyRelu": unary("LeakyRelu"),
  "com.microsoft:QLinearMul": binary("Mul"),
  "com.microsoft:QLinearReduceMean": unary("ReduceMean"),
  "com.microsoft:QLinearSigmoid": unary("Sigmoid"),
  "com.microsoft:QLinearSoftmax": unary("Softmax"),
  "com.microsoft:QLinearWhere": where,
  "com.microsoft:QuantizeLinear": standard("QuantizeLinear"),
};

/** Kernels on codes as the float operators that they compute, between DequantizeLinear and QuantizeLinear. */
export function lowerKernels(model: Model): Model {
  const ruleOf = ({ domain, opType }: Node): ((kernel: Kernel) => void) | undefined => {
    const key = `${domain === "ai.onnx" ? "" : domain}:${opType}`;
    return Object.hasOwn(rules, key) ? rules[key] : undefined;
  };
  if (!model.graph.nodes.some((node) => ruleOf(node) !== undefined)) return model;
  const rewrite = new GraphRewrite(model);
  for (const node of rewrite.source) {
    const rule = ruleOf(node);
    if (rule === undefined) rewrite.graph.nodes.push(node);
    else rule(new Kernel(node, rewrite));
  }
  return rewrite.model;
}
