import { alike, type OperatorRow } from "./row.ts";

const plain: OperatorRow = { kind: "elementwise" };
const overFirst: OperatorRow = { kind: "elementwise", overwrites: [0] };
const overBoth: OperatorRow = { kind: "elementwise", overwrites: [0, 1] };

/** Each element of the output depends on one element of each input. */
export const elementwise = {
  ...alike(["Add", "Div", "Mul", "Sub"], overBoth),
  ...alike(["Abs", "Ceil", "Clip", "Elu", "Exp", "Floor", "HardSwish", "LeakyRelu", "Log", "Neg"], overFirst),
  ...alike(["Reciprocal", "Relu", "Selu", "Sqrt", "Sum"], overFirst),
  ...alike(["Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Cosh", "Sinh", "Tan"], plain),
  ...alike(["Celu", "Gelu", "Mean", "Mish", "Mod", "Pow", "Round", "Shrink", "Softplus"], plain),
  ...alike(["SwiGLU", "Swish", "ThresholdedRelu"], plain),
  ...alike(["Cos", "Sign", "Sin", "Softsign"], { kind: "elementwise", range: [-1, 1] }),
  ...alike(["Erf", "Tanh"], { kind: "elementwise", range: [-1, 1], overwrites: [0] }),
  ...alike(["HardSigmoid", "Sigmoid"], { kind: "elementwise", range: [0, 1], overwrites: [0] }),
  PRelu: { kind: "elementwise", parameters: [{ slot: 1, role: "slope" }] },
  Dropout: plain,
  RotaryEmbedding: plain,
  ...alike(["Max", "Min"], { kind: "elementwise", moves: { from: "all", to: [0] } }),
  Where: { kind: "elementwise", moves: { from: [1, 2], to: [0] } },
  Cast: { kind: "conversion", overwrites: [0], note: "it converts types" },
  CastLike: { kind: "conversion", note: "it converts types" },
  BitCast: { kind: "conversion", note: "it reads the bits of its input as another type" },
} satisfies Readonly<Record<string, OperatorRow>>;

/** Truth values and bits. */
export const logic = {
  ...alike(["Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual"], { kind: "comparison" }),
  ...alike(["And", "IsInf", "IsNaN", "Not", "Or", "Xor"], { kind: "logic" }),
  ...alike(["BitShift", "BitwiseAnd", "BitwiseNot", "BitwiseOr", "BitwiseXor"], { kind: "logic" }),
} satisfies Readonly<Record<string, OperatorRow>>;
