import { z } from "zod";
import { usageError } from "../errors.ts";

const extent = z.number().int().positive();
/** One number (square, or the shorter side for resize) or [height, width]. */
const size = z.union([extent, z.tuple([extent, extent])]);

/**
 * Where samples come from and how they become model inputs. Plain JSON, so that it can be kept in a report
 * and a child process can open the same data again.
 */
export const dataSpecSchema = z.strictObject({
  /** IDX file or folder, .npy, .npz, CSV, JSON lines, Parquet, WAV, folders of these or of classes, or JavaScript module. */
  path: z.string().min(1),
  /** Which part, where the data come in parts (IDX folders, image folders with train/ and test/). Default "train". */
  split: z.enum(["train", "test"]).optional(),
  /** "none" ignores labels; else a file of labels (IDX or .npy). Default: the labels that come with the data. */
  labels: z.string().min(1).optional(),
  /** An .npz file of arrays to compare with, one row per sample. Default: the arrays of an .npz file of data that feed no input. */
  targets: z.string().min(1).optional(),
  /** Number of classes the model tells apart: labels must lie in [0, classes). */
  classes: extent.optional(),
  /** Subtracted from each channel after pixels are scaled to [0, 1]; one number or one per channel. */
  mean: z.array(z.number()).min(1).optional(),
  /** Divides each channel after `mean` is subtracted; one number or one per channel. */
  std: z.array(z.number().positive()).min(1).optional(),
  /** Resize images (bilinear): a number is the new shorter side, a pair the exact height and width. */
  resize: size.optional(),
  /** Cut the centre out after resizing. */
  crop: size.optional(),
  /** Layout of the model's image input; derived from its shape when that is unambiguous. */
  layout: z.enum(["nchw", "nhwc"]).optional(),
  /** The dimension of inputs that holds the batch, by name, where it is not the first and no symbol tells. */
  batchAxes: z.record(z.string(), z.number().int().nonnegative()).optional(),
  /** Values of inputs that the data do not feed: one for all elements, or as many as the input has per sample. */
  set: z.record(z.string(), z.array(z.number()).min(1)).optional(),
  /** Columns of a table that feed an input, by the input's name; "label" and "image" name their columns. */
  columns: z.record(z.string(), z.array(z.string()).min(1)).optional(),
  /** tokenizer.json that makes tokens of a table's column of texts. */
  tokenizer: z.string().min(1).optional(),
  /** preprocessor_config.json of Transformers or config.json of timm: what the fields above do not say. */
  preprocess: z.string().min(1).optional(),
  /** Samples a second that the model's waveforms have; sounds of other rates are refused. */
  sampleRate: extent.optional(),
  /** Samples of sounds, or tokens of texts: longer ones are cut, shorter ones filled. */
  length: extent.optional(),
  /** Folder that paths of pictures in a table start from and stay in. Default: the table's. */
  images: z.string().min(1).optional(),
  /** Seconds that a JavaScript module may take to show a sign of life. Default 15. */
  timeout: z.number().positive().max(1e6).optional(),
  /** Use this many samples, drawn at random and always the same. Default: all. */
  samples: extent.optional(),
});

/** Where samples come from and how they become model inputs. Plain JSON. */
export interface DataSpec extends z.infer<typeof dataSpecSchema> {}

/** How pixels become numbers where a file of preprocessing says more than the fields of a specification. */
export interface PixelRules {
  /** pixel * scale + offset, before mean and std. */
  scale: number;
  offset: number;
  /** How pictures are resized. */
  kernel: "nearest" | "linear" | "cubic" | "lanczos3";
  /** The longer side becomes at most this. */
  longest?: number;
  order: "rgb" | "bgr";
  /** Where a crop of odd margins lies: nearer to the top left, or as torchvision rounds it. */
  margins: "floor" | "round";
  /** Pictures smaller than the crop are filled with black. */
  pad: boolean;
}

/** What a file of preprocessing says of sounds. */
export interface SoundRules {
  sampleRate?: number;
  /** Every sound gets mean 0 and variance 1. */
  normalize: boolean;
}

/** A specification with what its file of preprocessing says. */
export type SettledSpec = DataSpec & { pixels?: PixelRules; sound?: SoundRules };

/** Checks a spec from outside; throws a usage error that names the field. */
export function parseDataSpec(value: unknown): DataSpec {
  const parsed = dataSpecSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const field = issue?.path.join(".") ?? "";
  throw usageError(
    "data-spec",
    `The data specification is wrong at "${field}": ${issue?.message ?? "not an object"}`,
    `data.${field}`,
    "See docs/data.md for the fields.",
  );
}
