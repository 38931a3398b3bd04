import type { Emitter } from "../../../src/ir/emit.ts";
import { floats, ints } from "../../../src/tensor/tensor.ts";
import { emitPair } from "../../support/qdq-model.ts";
import { type QdqCase, unit } from "./qdq-case.ts";

/** Operators without integer kernels between quantizers. */
export const islands: QdqCase[] = [
  ...["Tanh", "HardSwish", "HardSigmoid", "Elu", "Erf", "Exp", "Sqrt"].map((op): QdqCase => ({
    name: op,
    build: unit(op),
    kernels: {},
    float: [[op, `no integer ${op}`]],
    idle: 2,
  })),
  ...["Sub", "Div"].map((op): QdqCase => ({
    name: op,
    build: (e, x) => emitPair(e, e.op(op, [emitPair(e, x), emitPair(e, x, { scale: 0.04 })])),
    kernels: { [op]: 1 },
    float: [[op, `no integer ${op}`]],
    idle: 3,
  })),
  ...(
    [
      ["ReduceMean", { axes: [2, 3] }],
      ["GlobalMaxPool", {}],
      ["SpaceToDepth", { blocksize: 2 }],
      ["Pad", {}],
      ["LayerNormalization", {}],
      ["InstanceNormalization", {}],
    ] as const
  ).map(([op, attributes]): QdqCase => {
    const more = (e: Emitter): string[] => {
      if (op === "Pad") return [e.constant(ints([0, 0, 1, 1, 0, 0, 1, 1]))];
      const size = op === "LayerNormalization" ? 8 : 4;
      const parameters = [1, 0].map((value) => e.constant(floats(new Array(size).fill(value)), "parameter"));
      return op.endsWith("Normalization") ? parameters : [];
    };
    return {
      name: op,
      build: unit(op, attributes, more),
      kernels: { [op]: 1 },
      float: [[op, `no integer ${op}`]],
      idle: 2,
    };
  }),
  {
    name: "BatchNormalization",
    build: unit("BatchNormalization", {}, (e) =>
      [1, 0, 0, 1].map((value) => e.constant(floats([value, value, value, value]), "statistic")),
    ),
    kernels: { BatchNormalization: 1 },
    float: [["BatchNormalization", "no integer kernel of its own"]],
    idle: 2,
  },
];
