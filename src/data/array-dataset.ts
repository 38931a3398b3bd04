import { dataError } from "../errors.ts";
import { elementCount, tensorOf, tensorOfBytes, viewAs, type Tensor } from "../tensor/tensor.ts";
import { alignSamples, type Feed } from "./align-samples.ts";
import { arrangeChannels } from "./arrange-channels.ts";
import { drawPlacement } from "./augment.ts";
import { convertElements } from "./convert-elements.ts";
import type { AugmentOptions, Batch, Dataset } from "./dataset.ts";
import { type Geometry, type Layout, placeImage } from "./image.ts";
import { checkLabels, countLabels } from "./labels.ts";
import { isShared, type Placement, placementOf, placeSamples, samplesPerRun } from "./place-samples.ts";
import { perChannel } from "./pixel-tables.ts";
import type { DataSpec } from "./spec.ts";
import { namedValues } from "../named-values.ts";

/** A feed, and how its samples become the input. */
interface PlacedFeed extends Feed {
  placement: Placement;
}

/** Elementwise work on an image-like array: normalisation and augmentation, both with the array's geometry. */
interface ImageLike {
  geometry: Geometry;
  mean: number[];
  std: number[];
}

/**
 * A data set of arrays that are fed as they are: the first dimension counts samples (or see `alignSamples`), the rest must
 * fit the input, with or without its batch dimension. Float arrays of rank 4 may be normalised and augmented as images.
 */
export async function arrayDataset(
  name: string,
  given: readonly Feed[],
  labels: Int32Array | undefined,
  spec: DataSpec,
): Promise<Dataset> {
  const aligned = await alignSamples(given);
  const feeds = aligned.map(({ input, array }) => ({ input, ...arrangeChannels(array, input, spec.layout) }));
  const moved = feeds.find(({ from }) => from !== undefined);
  const length = feeds[0]?.array.dims[0] ?? 0;
  const placed = await Promise.all(feeds.map(placeFeed));
  const perRun = samplesPerRun(placed, spec.path);
  for (const { array } of feeds) {
    if (array.dims[0] !== length) {
      throw dataError(
        "length",
        `The arrays differ in their number of samples: ${length} and ${array.dims[0]}`,
        array.where,
      );
    }
  }
  if (length > 0 && feeds.every(({ array }) => elementCount(array.dims) === 0))
    throw dataError("empty", "The samples hold no elements", spec.path, "Check how the arrays were made.");
  if (labels !== undefined) checkLabels(labels, length, spec.classes, spec.path);
  const images =
    feeds.length === 1 ? imageLikeOf(feeds[0] as Feed, withLayoutOf(spec, moved?.from)) : undefined;
  return {
    name,
    length,
    hasLabels: labels !== undefined,
    ...(perRun === undefined ? {} : { samplesPerRun: perRun }),
    bytesInMemory: feeds.reduce((sum, { array }) => sum + array.bytesInMemory, 0),
    ...(labels === undefined ? {} : countLabels(labels)),
    describe: () => ({
      format: "arrays",
      path: spec.path,
      samples: length,
      labels: labels !== undefined,
      inputs: Object.fromEntries(
        feeds.map(({ input, array }) => [input.name, `${array.dtype} [${array.dims.join(", ")}]`]),
      ),
      ...(moved === undefined
        ? {}
        : { channels: `moved from ${moved.from === "nhwc" ? "last to first" : "first to last"}` }),
      ...(spec.mean === undefined && spec.std === undefined ? {} : { mean: images?.mean, std: images?.std }),
    }),
    async read(indices, options = {}): Promise<Batch> {
      const chosen = Array.from(indices);
      const inputs = namedValues<Tensor>();
      for (const feed of placed)
        inputs[feed.input.name] = await readFeed(feed, chosen, images, options.augment);
      const batch: Batch = { size: chosen.length, inputs };
      if (labels !== undefined) batch.labels = Int32Array.from(chosen, (index) => labels[index] as number);
      return batch;
    },
  };
}

/** The specification of an array whose channels were moved `from` another layout: the one that it has now. */
const withLayoutOf = (spec: DataSpec, from: Layout | undefined): DataSpec =>
  from === undefined ? spec : { ...spec, layout: from === "nhwc" ? "nchw" : "nhwc" };

async function placeFeed(feed: Feed): Promise<PlacedFeed> {
  const { input, array } = feed;
  const placement = placementOf(array.dims, input, array.where);
  const shared = placement.kind === "whole" && input.batchAxis === -1 && (await isShared(array));
  return { ...feed, placement: shared ? { kind: "shared" } : placement };
}

async function readFeed(
  { input, array, placement }: PlacedFeed,
  indices: number[],
  images: ImageLike | undefined,
  augment: AugmentOptions | undefined,
): Promise<Tensor> {
  const dims = array.dims.slice(1);
  const rows = placement.kind === "shared" ? indices.slice(0, 1) : indices;
  const read = tensorOfBytes(array.dtype, [rows.length, ...dims], await array.readRows(rows));
  const stacked = convertElements(read, input.dtype, array.where);
  if (stacked.dtype === "float32")
    checkFinite(viewAs(stacked, "float32"), elementCount(dims), rows, array.where);
  const tensor = placeSamples(stacked, input, placement);
  if (tensor.dtype !== "float32") return tensor;
  return images === undefined ? tensor : transformImages(tensor, images, augment);
}

/** Throws UserError data/not-finite that names the sample of the first NaN or Inf. */
export function checkFinite(
  values: Float32Array,
  sampleSize: number,
  indices: readonly number[],
  where: string,
): void {
  const at = values.findIndex((value) => !Number.isFinite(value));
  if (at < 0) return;
  const sample = indices[Math.floor(at / sampleSize)] as number;
  throw dataError(
    "not-finite",
    `Sample ${sample} holds ${values[at]} at element ${at % sampleSize}`,
    where,
    "Remove or repair the sample: NaN and Inf cannot be quantized.",
  );
}

function imageLikeOf({ input, array }: Feed, spec: DataSpec): ImageLike | undefined {
  const wanted = spec.mean !== undefined || spec.std !== undefined;
  if (input.shape.length !== 4 || input.dtype !== "float32") {
    if (!wanted) return undefined;
    throw dataError(
      "normalise",
      `--mean and --std apply to images; input "${input.name}" is ${input.dtype} of ${input.shape.length} dimensions`,
      array.where,
      "Normalise the array before saving it.",
    );
  }
  const shape = input.shape.map((dim, axis) => (typeof dim === "number" ? dim : array.dims[axis]));
  const channelsLast =
    spec.layout === "nhwc" || (spec.layout === undefined && !isFirst(shape) && isLast(shape));
  const [, a = 1, b = 1, c = 1] = array.dims;
  const layout = channelsLast ? "nhwc" : "nchw";
  const geometry: Geometry = channelsLast
    ? { height: a, width: b, channels: c, layout }
    : { height: b, width: c, channels: a, layout };
  return {
    geometry,
    mean: perChannel(spec.mean ?? [0], geometry.channels, "--mean"),
    std: perChannel(spec.std ?? [1], geometry.channels, "--std"),
  };
}

const isFirst = (shape: readonly (number | undefined)[]): boolean => shape[1] === 1 || shape[1] === 3;
const isLast = (shape: readonly (number | undefined)[]): boolean => shape[3] === 1 || shape[3] === 3;

function transformImages(tensor: Tensor, images: ImageLike, augment: AugmentOptions | undefined): Tensor {
  const { geometry, mean, std } = images;
  const neutral = mean.every((value) => value === 0) && std.every((value) => value === 1);
  if (neutral && augment === undefined) return tensor;
  const source = viewAs(tensor, "float32");
  const target = new Float32Array(source.length);
  const size = geometry.height * geometry.width * geometry.channels;
  const convert = (value: number, channel: number): number =>
    (value - (mean[channel] as number)) / (std[channel] as number);
  for (let position = 0; position * size < source.length; position++) {
    const offset = position * size;
    placeImage(
      { data: source, offset, geometry },
      { data: target, offset, layout: geometry.layout },
      drawPlacement(augment, position),
      convert,
    );
  }
  return tensorOf("float32", tensor.dims, target);
}

/** Whether arrays hold images to preprocess: 8-bit with 1 or 3 channels, for a single input of rank 4. */
export function holdsImages(feeds: Feed[]): boolean {
  const [feed] = feeds;
  if (feed === undefined || feeds.length > 1) return false;
  const { array, input } = feed;
  const [, a, , c] = array.dims;
  const isChannels = (dim: number | undefined): boolean => dim === 1 || dim === 3;
  const pixels =
    array.dtype === "uint8" &&
    (array.dims.length === 3 || (array.dims.length === 4 && (isChannels(a) || isChannels(c))));
  return pixels && input.shape.length === 4 && (input.dtype === "float32" || input.dtype === "uint8");
}
