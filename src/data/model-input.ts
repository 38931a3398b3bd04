import { dataError } from "../errors.ts";
import type { Dim } from "../ir/model.ts";
import type { DataType } from "../tensor/data-type.ts";
import type { Layout } from "./image.ts";

/** A model input that the data must feed. */
export interface ModelInput {
  /** The name in the model. */
  name: string;
  /** The type of elements. */
  dtype: DataType;
  /** Sizes; names or undefined where they are open. */
  shape: readonly Dim[];
  /** The dimension that counts samples, -1 where there is none; default: the first. */
  batchAxis?: number;
}

/** Height, width and channels of an image input; undefined where the model leaves them open. */
export interface ImageInput {
  name: string;
  dtype: "float32" | "uint8";
  layout: Layout;
  channels: 1 | 3 | undefined;
  height: number | undefined;
  width: number | undefined;
}

const fixed = (dim: Dim): number | undefined => (typeof dim === "number" && dim > 0 ? dim : undefined);

/** Reads the one image input of a model; UserError data/input when images cannot feed it. */
export function imageInputOf(
  inputs: readonly ModelInput[],
  layout: Layout | undefined,
  where: string,
): ImageInput {
  const [input] = inputs;
  if (input === undefined || inputs.length > 1) {
    throw dataError(
      "input",
      `Images feed a model with one input; this one has ${inputs.length}: ${inputs.map(({ name }) => name).join(", ")}`,
      where,
      "Give the data as an .npz file with one array per input.",
    );
  }
  const { name, dtype, shape } = input;
  if (shape.length !== 4 || (dtype !== "float32" && dtype !== "uint8")) {
    throw dataError(
      "input",
      `Images feed a float32 or uint8 input of four dimensions; "${name}" is ${dtype} [${shape.join(", ")}]`,
      where,
      "Give the data as an .npy or .npz file of the input's own type and shape.",
    );
  }
  const chosen = layout ?? deriveLayout(name, shape);
  const [a, b, c] = shape.slice(1);
  const [channels, height, width] = chosen === "nchw" ? [a, b, c] : [c, a, b];
  const channelCount = fixed(channels);
  if (channelCount !== undefined && channelCount !== 1 && channelCount !== 3) {
    throw dataError(
      "channels",
      `Images have 1 or 3 channels; input "${name}" wants ${channelCount} (layout ${chosen})`,
      where,
      "Give --layout, or the data as an .npy file.",
    );
  }
  return { name, dtype, layout: chosen, channels: channelCount, height: fixed(height), width: fixed(width) };
}

/** Channels come first or last, by where a dimension of 1 or 3 stands. */
function deriveLayout(name: string, shape: readonly Dim[]): Layout {
  const isChannels = (dim: Dim): boolean => dim === 1 || dim === 3;
  const first = isChannels(shape[1]);
  const last = isChannels(shape[3]);
  if (first !== last) return first ? "nchw" : "nhwc";
  throw dataError(
    "layout",
    `The shape [${shape.join(", ")}] of input "${name}" does not tell whether channels come first or last`,
    name,
    "Say so with --layout nchw or --layout nhwc.",
  );
}
