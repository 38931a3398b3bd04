import type { Dataset } from "../../data/dataset.ts";
import { dataError } from "../../errors.ts";
import type { Logger } from "../../log.ts";
import { readNumbers } from "../../tensor/read-numbers.ts";
import type { LossTarget } from "../../training/losses/ports.ts";

type Sequences = NonNullable<LossTarget["sequences"]>;

/** Samples whose labels are looked at at a time. */
const atOnce = 4096;

/**
 * Checks the label sequences of all samples: classes other than the blank, and nothing behind the first -1. Those that do not
 * fit into the steps are said to count for nothing; throws where none fits.
 */
export async function checkSequences(
  array: string,
  sequences: Sequences,
  { targets, length: samples, name }: Dataset,
  logger: Logger,
): Promise<void> {
  let long = 0;
  for (let start = 0; start < samples; start += atOnce) {
    const size = Math.min(atOnce, samples - start);
    const rows = Array.from({ length: size }, (_, index) => start + index);
    const values = await targets?.read(array, rows);
    if (values === undefined) return;
    const numbers = readNumbers(values);
    const width = numbers.length / size;
    for (let row = 0; row < size; row++) {
      const labels = Array.from(numbers.subarray(row * width, (row + 1) * width));
      const fault = faultOf(labels, sequences);
      if (fault !== undefined) throw wrongSequence(array, start + row, fault, name);
      if (stepsFor(labels) > sequences.steps) long++;
    }
  }
  if (long === 0) return;
  const what = `${long} of ${samples} label sequences in "${array}" do not fit into the ${sequences.steps} steps of the output`;
  if (long === samples)
    throw dataError(
      "target-length",
      what,
      name,
      "Check that the labels are of these samples, or give wider inputs.",
    );
  logger.warn(`${what} (a step for each label, and one between equal ones): they do not count in the loss.`);
}

function faultOf(labels: readonly number[], { classes, blank }: Sequences): string | undefined {
  const end = labels.findIndex((label) => label < 0);
  const stray = end < 0 ? -1 : labels.findIndex((label, at) => at > end && label >= 0);
  if (stray >= 0) return `has the label ${labels[stray]} behind a ${labels[end]}, which ends it`;
  if (labels.includes(blank)) return `holds ${blank}, which is the blank`;
  const large = labels.find((label) => label >= classes);
  return large === undefined ? undefined : `holds ${large}, and the output tells ${classes} classes apart`;
}

const wrongSequence = (array: string, sample: number, fault: string, where: string) =>
  dataError(
    "target-labels",
    `The label sequence of sample ${sample} in "${array}" ${fault}`,
    where,
    "Give class indices other than the blank's (0, or the last class with :blank-last), and -1 behind the last label.",
  );

/** Steps that labels take at least: one each, and a blank between equal ones. */
function stepsFor(labels: readonly number[]): number {
  const own = labels.filter((label) => label >= 0);
  return own.length + own.filter((label, at) => at > 0 && label === own[at - 1]).length;
}
