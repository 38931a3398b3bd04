import { Emitter } from "../ir/emit.ts";
import { createGraph, createModel, createValue } from "../ir/graph.ts";
import { type Tensor, tensorOf, toNumbers } from "../tensor/tensor.ts";
import { withSession } from "./open-model.ts";

/** Products in a sum of the probe; rows and columns of its result. */
const [products, size] = [16, 16];
const [activation, weight] = [255, 127];

let found: Promise<boolean> | undefined;

/**
 * Whether ONNX Runtime's kernels of uint8 by int8 add two products in saturating int16 on this machine, as they do on x64
 * processors without VNNI (VPMADDUBSW): sums of large products are then wrong. Found once, by one small product.
 */
export const kernelsSaturate = (): Promise<boolean> => (found ??= probe());

async function probe(): Promise<boolean> {
  const graph = createGraph("probe");
  const emitter = new Emitter(graph);
  graph.inputs.push(createValue("a", "uint8", [size, products]));
  const codes = new Int8Array(products * size).fill(weight);
  const b = emitter.constant(tensorOf("int8", [products, size], codes));
  const [product = ""] = emitter.node("MatMulInteger", ["a", b]);
  graph.outputs.push(createValue(product, "int32", [size, size]));
  const options = { threads: 1, isolated: false };
  return withSession(createModel(graph, 17), options, async (session) => {
    const a = tensorOf("uint8", [size, products], new Uint8Array(size * products).fill(activation));
    const { [product]: sums } = await session.run({ a });
    return toNumbers(sums as Tensor).some((sum) => sum !== products * activation * weight);
  });
}
