import { createElementReader } from "./elements.ts";
import { elementCount, type Tensor, viewAs } from "./tensor.ts";

/** Elements as numbers; 64-bit integers rounded to the nearest double. */
export type Numbers = Float32Array | Float64Array;

/** The elements of a tensor of numbers: a view of float32, else a copy in double precision. */
export function readNumbers(tensor: Tensor): Numbers {
  if (tensor.dtype === "float32") return viewAs(tensor, "float32");
  const read = createElementReader(tensor);
  return Float64Array.from({ length: elementCount(tensor.dims) }, (_, index) => read(index));
}
