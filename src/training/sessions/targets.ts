import { convertElements } from "../../data/convert-elements.ts";
import type { Batch } from "../../data/dataset.ts";
import { noSuchTarget } from "../../data/targets.ts";
import { dataError } from "../../errors.ts";
import type { Session } from "../../runtime/session.ts";
import { type Tensor, tensorOf, tensorOfBytes } from "../../tensor/tensor.ts";
import type { Manifest } from "../artifact/manifest.ts";
import type { StepData } from "./mean-outputs.ts";
import { namedValues } from "../../named-values.ts";

/** What the targets of a batch depend on. */
type Loss = Pick<Manifest, "targets" | "loss" | "outputs">;

/** Whether a target comes from the float model. */
export const isTaught = ({ targets }: Pick<Manifest, "targets">): boolean =>
  targets.some(({ source }) => source.from === "teacher");

/** Inputs and targets of a batch: what one run of the training graph is fed beside the state. */
export async function stepDataOf(
  manifest: Loss,
  batch: Batch,
  teacher: Session | undefined,
): Promise<StepData> {
  return { ...batch.inputs, ...(await targetsOf(manifest, batch, teacher)) };
}

/** The values of the loss's targets for a batch: labels as int64, and the float model's outputs. */
export async function targetsOf(
  manifest: Loss,
  batch: Batch,
  teacher: Session | undefined,
): Promise<Record<string, Tensor>> {
  const feeds = namedValues<Tensor>();
  const taught = manifest.targets.flatMap(({ name, source }) =>
    source.from === "teacher" ? [{ name, output: source.output }] : [],
  );
  for (const target of manifest.targets) {
    const { name, source } = target;
    if (source.from === "labels") feeds[name] = labelsOf(batch, classCount(manifest));
    else if (source.from === "data") feeds[name] = arrayOf(target, source.array, batch);
  }
  if (teacher !== undefined && taught.length > 0) {
    const outputs = await teacher.run(
      batch.inputs,
      taught.map(({ output }) => output),
    );
    for (const { name, output } of taught) feeds[name] = outputs[output] as Tensor;
  }
  return feeds;
}

/** Names of the arrays of the data that the targets are. */
export const targetArrays = ({ targets }: Pick<Manifest, "targets">): string[] =>
  targets.flatMap(({ source }) => (source.from === "data" ? [source.array] : []));

/** An array of the data in the type and the shape that the loss takes; dimensions of one may be left out. */
function arrayOf(
  { type, shape }: Manifest["targets"][number],
  array: string,
  { targets, size }: Batch,
): Tensor {
  const given = targets?.[array];
  if (given === undefined) throw noSuchTarget(array, Object.keys(targets ?? {}), undefined);
  const { bytes, dtype } = convertElements(given, type, `target "${array}"`);
  return tensorOfBytes(
    dtype,
    [size, ...shape.slice(1).map((dim, at) => (typeof dim === "number" ? dim : (given.dims[at + 1] ?? 1)))],
    bytes,
  );
}

/** Number of classes that the cross-entropy term tells apart, where there is one. */
function classCount(manifest: Pick<Manifest, "loss" | "outputs">): number | undefined {
  const term = manifest.loss.terms.find(
    (entry) => entry.term === "cross-entropy" && (entry.target ?? "labels") === "labels",
  );
  const classes = manifest.outputs.find(({ name }) => name === term?.output)?.shape.at(-1);
  return typeof classes === "number" ? classes : undefined;
}

function labelsOf({ labels, size }: Batch, classes: number | undefined): Tensor {
  if (labels === undefined) {
    throw dataError(
      "no-labels",
      "The artifact's loss compares with labels, and the data has none",
      undefined,
      "Give labelled data, or build the artifact with --labels none.",
    );
  }
  const wide = new BigInt64Array(size);
  for (let i = 0; i < size; i++) {
    const label = labels[i] as number;
    if (label < 0 || (classes !== undefined && label >= classes)) {
      throw dataError(
        "label-range",
        `A sample has the label ${label}, and the model tells ${classes ?? "no"} classes apart`,
        "labels",
        "Check that data and model belong together.",
      );
    }
    wide[i] = BigInt(label);
  }
  return tensorOf("int64", [size], wide);
}
