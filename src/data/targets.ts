import { dataError, usageError } from "../errors.ts";
import { elementCount, type Tensor, tensorOfBytes, viewAs } from "../tensor/tensor.ts";
import type { Dataset } from "./dataset.ts";
import { checkFinite } from "./array-dataset.ts";
import type { NpyArray } from "./loaders/npy.ts";
import { type NpzFile, openNpz } from "./loaders/npz.ts";
import { namedValues } from "../named-values.ts";

/** Arrays of the data that feed no input: what losses and metrics may compare with, one row per sample. */
export interface TargetArrays {
  /** Names of the arrays. */
  names: readonly string[];
  /** The type of elements and the shape of a sample. Throws UserError data/* where there is no such array. */
  shapeOf(name: string): Promise<Pick<Tensor, "dtype" | "dims">>;
  /** The rows of an array, [samples, ...], in the type that they are stored in. */
  read(name: string, indices: readonly number[]): Promise<Tensor>;
}

/** The arrays of an .npz file but those that `without` tells by their names. Each is looked at when it is first asked for. */
export async function openTargets(
  path: string,
  samples: number,
  without: (names: readonly string[]) => readonly string[] = () => [],
): Promise<TargetArrays> {
  const file = await openNpz(path);
  return targetsOf(file, path, samples, without(file.names));
}

/** The named arrays of a file or folder as targets, but those in `without`. */
export function targetsOf(
  file: NpzFile,
  path: string,
  samples: number,
  without: readonly string[],
): TargetArrays {
  const names = file.names.filter((name) => !without.includes(name));
  const opened = new Map<string, Promise<NpyArray>>();
  const open = (name: string): Promise<NpyArray> => {
    const known = opened.get(name) ?? openTarget(name);
    opened.set(name, known);
    return known;
  };
  const openTarget = async (name: string): Promise<NpyArray> => {
    if (!names.includes(name)) throw noSuchTarget(name, names, path);
    const array = await file.open(name);
    if (array.dims[0] === samples) return array;
    throw dataError(
      "target-count",
      `The targets have the shape [${array.dims.join(", ")}], and there are ${samples} samples`,
      array.where,
      "Give one row per sample, in the order of the data.",
    );
  };
  return {
    names,
    shapeOf: async (name) => {
      const { dtype, dims } = await open(name);
      return { dtype, dims: dims.slice(1) };
    },
    read: async (name, indices) => {
      const array = await open(name);
      const { dtype, dims, where } = array;
      const row = dims.slice(1);
      const tensor = tensorOfBytes(dtype, [indices.length, ...row], await array.readRows(indices));
      if (dtype === "float32") checkFinite(viewAs(tensor, "float32"), elementCount(row), indices, where);
      return tensor;
    },
  };
}

/** The error of a target that the data do not have. */
export const noSuchTarget = (name: string, names: readonly string[], where: string | undefined) =>
  dataError(
    "targets",
    `There is no array "${name}" to compare with${names.length === 0 ? "" : `; there are ${names.join(", ")}`}`,
    where,
    "Give it as an array of --targets FILE.npz, or of the .npz file that the data are, one row per sample.",
  );

/** The data set whose batches bring these targets, as arrays by name. */
export function readTargets(dataset: Dataset, names: readonly string[]): Dataset {
  if (names.length === 0) return dataset;
  const { targets, name: where } = dataset;
  const missing = names.find((name) => targets?.names.includes(name) !== true);
  if (targets === undefined || missing !== undefined)
    throw noSuchTarget(missing ?? "", targets?.names ?? [], where);
  return {
    ...dataset,
    async read(indices, options) {
      const batch = await dataset.read(indices, options);
      const rows = Array.from(indices);
      const values = namedValues<Tensor>();
      for (const name of names) values[name] = await targets.read(name, rows);
      return { ...batch, targets: { ...batch.targets, ...values } };
    },
  };
}

/** Targets of the samples at `indices` of others. */
export const targetsAt = (targets: TargetArrays, indices: ArrayLike<number>): TargetArrays => ({
  ...targets,
  read: (name, rows) =>
    targets.read(
      name,
      rows.map((row) => indices[row] as number),
    ),
});

/** Throws where targets do not go with what is done to samples. */
export function refuseAugmented(names: readonly string[]): void {
  if (names.length === 0) return;
  throw usageError(
    "augment",
    `Images are mirrored and cropped, and the targets ${names.join(", ")} are not`,
    "--augment",
    "Leave --augment out.",
  );
}
