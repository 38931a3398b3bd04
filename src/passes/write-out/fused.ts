import { type AttributeInput, float, floatOf, intOf, stringOf } from "../../ir/attributes.ts";
import type { Composite, WrittenOut } from "./composite.ts";

/** x*(1 + erf(x/sqrt 2))/2 */
function gelu(c: Composite, x: string): string {
  const erf = c.op("Erf", [c.op("Div", [x, c.number(Math.SQRT2)])]);
  return c.mul(c.mul(x, c.add(erf, c.number(1))), c.number(0.5));
}

/** x*(1 + tanh(sqrt(2/pi)*(x + 0.044715*x^3)))/2 */
function tanhGelu(c: Composite, x: string): string {
  const k = Math.sqrt(2 / Math.PI);
  const inner = c.mul(x, c.add(c.mul(c.mul(x, x), c.number(k * 0.044715)), c.number(k)));
  return c.mul(c.mul(x, c.number(0.5)), c.add(c.op("Tanh", [inner]), c.number(1)));
}

const biased = (c: Composite): string => (c.has(1) ? c.add(c.input(0), c.input(1)) : c.input(0));

export const biasGelu = (c: Composite): WrittenOut => [gelu(c, biased(c))];
export const fastGelu = (c: Composite): WrittenOut => [tanhGelu(c, biased(c))];

/** x*sigmoid(alpha*x) */
export const quickGelu = (c: Composite): WrittenOut => {
  const x = c.input(0);
  return [c.mul(x, c.op("Sigmoid", [c.times(x, floatOf(c.node, "alpha", 1.702))]))];
};

export const biasAdd = (c: Composite): WrittenOut => [c.add(c.add(c.input(0), c.input(1)), c.input(2))];

/** alpha * a · b, either operand with its last two axes swapped. */
export function fusedMatMul(c: Composite): WrittenOut {
  const { node } = c;
  if (intOf(node, "transBatchA", 0) !== 0 || intOf(node, "transBatchB", 0) !== 0)
    return { refused: "it moves a batch dimension" };
  const operand = (slot: number, name: string): string | undefined => {
    if (intOf(node, name, 0) === 0) return c.input(slot);
    const rank = c.shape(slot)?.length;
    if (rank === undefined || rank < 2) return undefined;
    const perm = Array.from({ length: rank }, (_, axis) => axis);
    [perm[rank - 1], perm[rank - 2]] = [rank - 2, rank - 1];
    return c.transpose(c.input(slot), perm);
  };
  const [a, b] = [operand(0, "transA"), operand(1, "transB")];
  if (a === undefined || b === undefined) return { refused: "the rank of its operand is not known" };
  return [c.times(c.matMul(a, b), floatOf(node, "alpha", 1))];
}

/** A Conv, the sum with a fourth input, and an activation. */
export function fusedConv(c: Composite): WrittenOut {
  const { attributes } = c.node;
  const own = ["activation", "activation_params"];
  const kept = Object.fromEntries([...attributes].filter(([name]) => !own.includes(name)));
  const parameters = attributes.get("activation_params");
  const conv = c.op("Conv", c.node.inputs.slice(0, c.has(2) ? 3 : 2), kept);
  const sum = c.has(3) ? c.add(conv, c.input(3)) : conv;
  return activated(c, sum, parameters?.type === "floats" ? [...parameters.value] : []);
}

/** A Gemm and an activation. */
export function fusedGemm(c: Composite): WrittenOut {
  const names = ["activation_alpha", "activation_beta", "activation_gamma"];
  const kept = Object.fromEntries(
    [...c.node.attributes].filter(([name]) => name !== "activation" && !names.includes(name)),
  );
  const parameters = names
    .filter((name) => c.node.attributes.has(name))
    .map((name) => floatOf(c.node, name, 0));
  return activated(c, c.op("Gemm", c.node.inputs, kept), parameters);
}

function activated(c: Composite, x: string, [a, b]: readonly number[]): WrittenOut {
  const activation = stringOf(c.node, "activation", "");
  const attributes = (values: Record<string, number | undefined>): Record<string, AttributeInput> =>
    Object.fromEntries(
      Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [[name, float(value)]])),
    );
  switch (activation) {
    case "":
      return [x];
    case "Relu":
    case "Sigmoid":
    case "Tanh":
    case "Softplus":
    case "Softsign":
      return [c.op(activation, [x])];
    case "LeakyRelu":
    case "Elu":
      return [c.op(activation, [x], attributes({ alpha: a }))];
    case "HardSigmoid":
      return [c.op(activation, [x], attributes({ alpha: a, beta: b }))];
    case "Clip":
      return [c.op("Clip", [x, c.number(a ?? -Infinity), c.number(b ?? Infinity)])];
    default:
      return { refused: `its activation "${activation}" is not known` };
  }
}
