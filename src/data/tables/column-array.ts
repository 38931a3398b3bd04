import { dataError } from "../../errors.ts";
import type { DataType } from "../../tensor/data-type.ts";
import { elementCount, tensorOf, type Tensor } from "../../tensor/tensor.ts";
import type { NpyArray } from "../loaders/npy.ts";
import type { ModelInput } from "../model-input.ts";
import { batchAxisOf } from "../place-samples.ts";
import { cellNumbers, type CellNumbers } from "./cell-numbers.ts";
import { scanRows, type Table } from "./table.ts";

/** Columns of a table that feed a model input: their numbers one after the other. */
export interface FedColumns {
  input: ModelInput;
  columns: readonly string[];
}

/** Shapes of the samples of an input, by row; one where all rows have the same. */
export async function shapesOf(table: Table, { columns }: FedColumns): Promise<number[][]> {
  const shapes = new Map<string, number[]>();
  for await (const { row, cells } of scanRows(table, columns)) {
    const { dims } = join(cells, columns, table.where(row));
    const key = dims.join();
    if (!shapes.has(key)) shapes.set(key, dims);
    // Numbers that stand alone have one shape everywhere, or are refused when they are read.
    if (dims.length === 0 || (columns.length > 1 && dims[0] === columns.length)) break;
  }
  return [...shapes.values()];
}

/** A column, or several, as an array of numbers whose samples all have the shape `dims`. */
export function columnArray(table: Table, { input, columns }: FedColumns, dims: readonly number[]): NpyArray {
  const shaped = fillShape(dims, input);
  const dtype = input.dtype;
  return {
    where: table.path,
    dtype,
    dims: [table.length, ...shaped],
    bytesInMemory: table.bytesInMemory,
    async readRows(indices) {
      const cells = await table.read(indices, columns);
      const rows = indices.map((index, at) => {
        const where = table.where(index);
        const joined = join(
          cells.map((column) => column[at]),
          columns,
          where,
        );
        if (joined.dims.join() !== dims.join())
          throw dataError(
            "cell",
            `Column "${columns[0]}" holds ${shapeText(joined.dims)} where the first row holds ${shapeText(dims)}`,
            where,
            "Give every row as many numbers.",
          );
        return packNumbers(joined.values, dims, dtype, where).bytes;
      });
      return Buffer.concat(rows);
    },
  };
}

const shapeText = (dims: readonly number[]): string =>
  dims.length === 0 ? "one number" : `numbers of shape [${dims.join(", ")}]`;

/** A list of numbers takes the shape of an input that has as many elements. */
function fillShape(dims: readonly number[], input: ModelInput): number[] {
  const axis = batchAxisOf(input);
  const single = axis === undefined ? input.shape : input.shape.toSpliced(axis, 1);
  const fixed = single.filter((dim) => typeof dim === "number");
  const fills = fixed.length === single.length && elementCount(fixed) === elementCount(dims);
  return dims.length <= 1 && fills ? fixed : [...dims];
}

/** The numbers of one row as a tensor, in the row's own shape. */
export function rowTensor(cells: readonly unknown[], { input, columns }: FedColumns, where: string): Tensor {
  const { dims, values } = join(cells, columns, where);
  return packNumbers(values, dims, input.dtype, where);
}

/** The numbers of several cells as one list; those of one cell in its own shape. */
function join(cells: readonly unknown[], columns: readonly string[], where: string): CellNumbers {
  const parts = cells.map((cell, at) => cellNumbers(cell, columns[at] as string, where));
  if (parts.length === 1) return parts[0] as CellNumbers;
  const values = parts.flatMap((part) => part.values);
  return { dims: [values.length], values };
}

const integerArrays = {
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
} as const;

/** Numbers as a tensor of a type; throws UserError data/dtype for what the type does not hold. */
function packNumbers(
  values: readonly (number | bigint)[],
  dims: readonly number[],
  dtype: DataType,
  where: string,
): Tensor {
  const refuse = (value: number | bigint | string): never => {
    const hint = "Give whole numbers in the range of the type.";
    throw dataError("dtype", `The row holds ${value} where the model takes ${dtype}`, where, hint);
  };
  if (dtype === "float32") return tensorOf("float32", dims, Float32Array.from(values, Number));
  if (dtype === "int64") {
    const whole = values.map((value) => {
      const exact = typeof value === "bigint" || Number.isSafeInteger(value) ? BigInt(value) : refuse(value);
      return BigInt.asIntN(64, exact) === exact ? exact : refuse(value);
    });
    return tensorOf("int64", dims, BigInt64Array.from(whole));
  }
  if (dtype === "bool")
    return tensorOf(
      "bool",
      dims,
      Uint8Array.from(values, (value) => (Number(value) === 0 ? 0 : 1)),
    );
  if (!Object.hasOwn(integerArrays, dtype)) return refuse("numbers");
  const kind = dtype as keyof typeof integerArrays;
  const packed = integerArrays[kind].from(values.map(Number));
  const lost = values.findIndex((value, at) => Number(value) !== packed[at]);
  if (lost >= 0) refuse(values[lost] as number);
  return { dtype: kind, dims, bytes: new Uint8Array(packed.buffer) };
}
