import type { OutputFacts } from "../ir/output-kinds.ts";

/** Where the samples of a batch's output lie, and within each the places at which classes are told apart. */
export interface SampleLayout {
  /** Samples that can be told apart in the output: those of the batch, or one for all of it. */
  samples: number;
  /** Elements of a sample. */
  size: number;
  /** Places of a sample at which one class is chosen; 0 where there are no classes. */
  places: number;
  classes: number;
  /** Distance of a place's classes in memory. */
  stride: number;
}

/** The layout of an output of shape `dims` that a run on `batch` samples gave. */
export function layOutSamples(
  dims: readonly number[],
  batch: number,
  { classAxis }: Pick<OutputFacts, "classAxis">,
): SampleLayout {
  const total = dims.reduce((product, dim) => product * dim, 1);
  const samples = dims[0] === batch && dims.length > 0 ? batch : 1;
  const size = total / samples;
  const axis = classAxis === undefined ? 0 : classAxis < 0 ? classAxis + dims.length : classAxis;
  const classes = dims[axis] ?? 0;
  if (axis === 0 || classes < 2) return { samples, size, places: 0, classes: 0, stride: 1 };
  const stride = dims.slice(axis + 1).reduce((product, dim) => product * dim, 1);
  return { samples, size, places: size / classes, classes, stride };
}

/** The index of the first class at a place of the sample that begins at `start`. */
export function startOfPlace({ stride, classes }: SampleLayout, start: number, place: number): number {
  const outer = Math.floor(place / stride);
  return start + outer * classes * stride + (place % stride);
}
