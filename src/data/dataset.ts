import type { Tensor } from "../tensor/tensor.ts";
import type { TargetArrays } from "./targets.ts";

/** Some samples of a data set, stacked as the model takes them. */
export interface Batch {
  /** Number of samples. */
  size: number;
  /** Model inputs by name; [size, ...], or as the model has them where their batch is another dimension or none. */
  inputs: Record<string, Tensor>;
  /** Class index per sample, where the data has labels. */
  labels?: Int32Array;
  /** Arrays to compare with, by name, where they are asked for; [size, ...]. */
  targets?: Record<string, Tensor>;
}

/**
 * Samples by index, so that shuffling, holding out, resuming and limiting need no support of the format.
 * Everything (resize, crop, normalisation, layout) is already applied to what `read` returns.
 */
export interface Dataset {
  /** What messages call the data: mostly their path. */
  readonly name: string;
  /** Number of samples. */
  readonly length: number;
  /** Whether every sample has a class index. */
  readonly hasLabels: boolean;
  /** Bytes of samples that are kept in memory, where that is known. */
  readonly bytesInMemory?: number;
  /** Largest label plus one, where there are labels and it is known. */
  readonly classes?: number;
  /** Number of different labels, where there are labels and it is known. */
  readonly distinctLabels?: number;
  /** Arrays that come with the data and feed no input, where there are any. */
  readonly targets?: TargetArrays;
  /** Whether all samples can be read when one can: arrays of pixels have one size and hold no NaN. */
  readonly uniform?: boolean;
  /** Samples that the model takes at a time, where it does not take any number: `read` is then asked for as many. */
  readonly samplesPerRun?: number;
  /** Reads the samples of the given indices, in their order. Throws a UserError on NaN, Inf or a bad label. */
  read(indices: ArrayLike<number>, options?: { augment?: AugmentOptions }): Promise<Batch>;
  /** What was read and how it was preprocessed, for the report. JSON-able. */
  describe(): Record<string, unknown>;
}

/** Train-time augmentation of images, drawn from `seed` and each sample's position in the call. */
export interface AugmentOptions {
  /** Mirror left-right with probability one half. */
  flip: boolean;
  /** Pad by this many pixels on each side (with the value of a black pixel) and crop back at random; 0 for none. */
  crop: number;
  /** What the draws begin with: the same seed and position give the same picture. */
  seed: number;
}
