import { dataError } from "../errors.ts";
import type { DataType } from "../tensor/data-type.ts";
import { decodeSmallFloat } from "../tensor/small-float.ts";
import { type Tensor, tensorOf, viewAs } from "../tensor/tensor.ts";

const integers = new Set<DataType>([
  "int8",
  "uint8",
  "int16",
  "uint16",
  "int32",
  "uint32",
  "int64",
  "uint64",
]);

/**
 * A tensor of the type a model input wants: float64 and float16 become float32, integers become floats or
 * other integers whose range holds them. Refuses what would lose more than float precision.
 */
export function convertElements(tensor: Tensor, dtype: DataType, where: string): Tensor {
  if (tensor.dtype === dtype) return tensor;
  const values = readNumbers(tensor);
  if (values !== undefined && dtype === "float32")
    return tensorOf("float32", tensor.dims, Float32Array.from(values));
  if (values !== undefined && integers.has(tensor.dtype)) {
    if (dtype === "int64") return tensorOf("int64", tensor.dims, BigInt64Array.from(values, BigInt));
    if (dtype === "int32" && values.every((value) => value === (value | 0))) {
      return tensorOf("int32", tensor.dims, Int32Array.from(values));
    }
  }
  throw dataError(
    "dtype",
    `The data are ${tensor.dtype} where the model takes ${dtype}`,
    where,
    `Write the array as ${dtype}.`,
  );
}

/** The elements as numbers, where the type has any; those of 64-bit integers rounded to floats. */
export function readNumbers(tensor: Tensor): (ArrayLike<number> & number[]) | undefined {
  switch (tensor.dtype) {
    case "int64":
    case "uint64":
      return Array.from(viewAs(tensor, tensor.dtype), Number);
    case "float16":
      return Array.from(viewAs(tensor, "float16"), (bits) => decodeSmallFloat("float16", bits) as number);
    case "float32":
    case "float64":
    case "int8":
    case "uint8":
    case "int16":
    case "uint16":
    case "int32":
    case "uint32":
      return Array.from(viewAs(tensor, tensor.dtype));
    default:
      return undefined;
  }
}
