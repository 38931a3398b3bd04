import { dataError } from "../errors.ts";

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
  if (labels.length !== samples) {
    throw dataError(
      "label-count",
      `There are ${labels.length} labels for ${samples} samples`,
      where,
      "Give one label per sample, or --labels none.",
    );
  }
  const limit = classes ?? 2 ** 31;
  const bad = labels.findIndex((label) => label < 0 || label >= limit);
  if (bad >= 0) throw labelOutOfRange(labels[bad] as number, bad, classes, where);
}

export function labelOutOfRange(label: number, index: number, classes: number | undefined, where: string) {
  const range =
    classes === undefined
      ? "0 or more"
      : `in 0..${classes - 1}, for the model tells ${classes} classes apart`;
  return dataError(
    "label-range",
    `The label of sample ${index} is ${label}; labels must be ${range}`,
    where,
    "Correct the labels, or train without them: --labels none.",
  );
}

/** Largest label plus one. */
export function countClasses(labels: Int32Array): number {
  return labels.reduce((most, label) => Math.max(most, label), -1) + 1;
}
