import { dataError, type UserError } from "../errors.ts";
import { type Tensor, tensorOfBytes, viewAs } from "../tensor/tensor.ts";
import { readNumbers } from "./convert-elements.ts";
import type { NpyArray } from "./loaders/npy.ts";

/** Names that arrays of labels have beside those of samples. */
export const labelArrays = ["labels", "label", "y", "targets"];

/** Labels are kept as int32. */
const labelLimit = 2 ** 31;

/**
 * Class labels from an array: [samples], [samples, 1], or one-hot rows [samples, classes]. The number of samples is
 * compared before anything is read. Throws UserError data/labels, data/label-count and data/label-range.
 */
export async function readLabels(array: NpyArray, samples: number): Promise<Int32Array> {
  const { dims, dtype, where } = array;
  const [count, width = 1] = dims;
  if (count === undefined || dims.length > 2) throw shapeError(array, "Labels are one number per sample");
  checkLabelCount(count, samples, where);
  const rows = await array.readRows(Array.from({ length: count }, (_, index) => index));
  const values = numbersOf(tensorOfBytes(dtype, dims, rows), where);
  if (width !== 1) return fromOneHot(values, width, array);
  return toLabels(values, where);
}

/** Numbers as labels; the first that is none, or does not fit 32 bits, is an error that names its sample. */
export function toLabels(values: ArrayLike<number | bigint>, where: string): Int32Array {
  return Int32Array.from({ length: values.length }, (_, index) => {
    const label = Number(values[index]);
    if (Number.isInteger(label) && Math.abs(label) < labelLimit) return label;
    throw labelOutOfRange(values[index] as number, index, undefined, where);
  });
}

function numbersOf(tensor: Tensor, where: string): ArrayLike<number | bigint> {
  if (tensor.dtype === "int64" || tensor.dtype === "uint64") return viewAs(tensor, tensor.dtype);
  const values = readNumbers(tensor);
  if (values !== undefined) return values;
  throw dataError("labels", `Labels are ${tensor.dtype}`, where, "Write them as int64.");
}

function fromOneHot(values: ArrayLike<number | bigint>, width: number, array: NpyArray): Int32Array {
  const labels = new Int32Array(width === 0 ? 0 : values.length / width).fill(-1);
  for (let index = 0; index < values.length; index++) {
    const value = Number(values[index]);
    const row = Math.floor(index / width);
    if (value === 0) continue;
    if (value !== 1 || labels[row] !== -1) throw shapeError(array, "They are not one-hot rows, either");
    labels[row] = index % width;
  }
  if (labels.includes(-1) || width === 0) throw shapeError(array, "They are not one-hot rows, either");
  return labels;
}

const shapeError = ({ dims, where }: NpyArray, what: string): UserError =>
  dataError(
    "labels",
    `The labels have the shape [${dims.join(", ")}], not [samples]. ${what}`,
    where,
    "Give class indices: scores or probabilities become them by labels.argmax(axis=1).",
  );

/** Throws UserError data/label-count unless there is one label per sample. */
export function checkLabelCount(count: number, samples: number, where: string): void {
  if (count === samples) return;
  throw dataError(
    "label-count",
    `There are ${count} labels for ${samples} samples`,
    where,
    "Give one label per sample, or --labels none.",
  );
}

/**
 * Checks class labels once, when data are opened: as many as samples, each an integer in [0, classes)
 * (2^31 where the number of classes is not known). Errors name the file and the index.
 */
export function checkLabels(
  labels: Int32Array,
  samples: number,
  classes: number | undefined,
  where: string,
): void {
  checkLabelCount(labels.length, samples, where);
  const limit = classes ?? labelLimit;
  const bad = labels.findIndex((label) => label < 0 || label >= limit);
  if (bad >= 0) throw labelOutOfRange(labels[bad] as number, bad, classes, where);
}

export function labelOutOfRange(
  label: number | bigint,
  index: number,
  classes: number | undefined,
  where: string,
): UserError {
  const range =
    classes === undefined
      ? "whole numbers from 0"
      : `in 0..${classes - 1}, for the model tells ${classes} classes apart`;
  return dataError(
    "label-range",
    `The label of sample ${index} is ${label}; labels must be ${range}`,
    where,
    "Correct the labels, or train without them: --labels none.",
  );
}

/** Largest label plus one, and how many different ones there are. */
export function countLabels(labels: Int32Array): { classes: number; distinctLabels: number } {
  return {
    classes: labels.reduce((most, label) => Math.max(most, label), -1) + 1,
    distinctLabels: new Set(labels).size,
  };
}
