import type { Emitter } from "../../../src/ir/emit.ts";
import { floats, ints } from "../../../src/tensor/tensor.ts";
import { emitPair } from "../../support/qdq-model.ts";
import { type QdqCase, unit } from "./qdq-case.ts";

const scales = (emit: Emitter): string => emit.constant(floats([1, 1, 2, 2]), "sizes");

export const movements: QdqCase[] = [
  {
    name: "Split",
    build: (e, x) => {
      const parts = e.node("Split", [emitPair(e, x), e.constant(ints([2, 2]))], {
        attributes: { axis: 1 },
        outputCount: 2,
      });
      return parts.map((part) => emitPair(e, part));
    },
    kernels: { Split: 1, DequantizeLinear: 2 },
  },
  {
    name: "Gather",
    build: unit("Gather", { axis: 1 }, (e) => [e.constant(ints([3, 1]))]),
    kernels: { Gather: 1 },
  },
  {
    name: "Reshape",
    build: unit("Reshape", {}, (e) => [e.constant(ints([0, 4, 64]))]),
    kernels: { Reshape: 1 },
  },
  {
    name: "Slice",
    build: unit("Slice", {}, (e) => [[0], [4], [2]].map((each) => e.constant(ints(each)))),
    kernels: { Slice: 1 },
  },
  { name: "Transpose", build: unit("Transpose", { perm: [0, 1, 3, 2] }), kernels: { Transpose: 1 } },
  { name: "Flatten", build: unit("Flatten"), kernels: { Flatten: 1 } },
  // No kernel of quantized models, and given codes all the same: the quantizer behind it is moved in front.
  { name: "DepthToSpace", build: unit("DepthToSpace", { blocksize: 2 }), kernels: { DepthToSpace: 1 } },
  {
    name: "Resize by nearest neighbour",
    build: unit("Resize", { mode: "nearest" }, (e) => ["", scales(e)]),
    kernels: { Resize: 1 },
  },
  {
    name: "Resize by interpolation",
    build: unit("Resize", { mode: "linear" }, (e) => ["", scales(e)]),
    kernels: { Resize: 1 },
    float: [["Resize", "computes new values"]],
    idle: 2,
  },
  {
    name: "Reshape to another scale",
    build: (e, x) =>
      emitPair(e, e.op("Reshape", [emitPair(e, x), e.constant(ints([0, 4, 64]))]), { scale: 0.03 }),
    kernels: { Reshape: 1 },
    float: [["Reshape", "another scale"]],
    idle: 2,
  },
];
