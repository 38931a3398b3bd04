import sharp from "sharp";
import { dataError } from "../errors.ts";
import { type Tensor, tensorOf } from "../tensor/tensor.ts";
import { drawPlacement } from "./augment.ts";
import type { Batch, Dataset } from "./dataset.ts";
import { type ImageSource, placeImage, type RawImage } from "./image.ts";
import { checkLabels, countLabels } from "./labels.ts";
import type { ImageInput } from "./model-input.ts";
import { perChannel, pixelTables } from "./pixel-tables.ts";
import type { DataSpec } from "./spec.ts";

type Size = number | readonly [number, number];

/**
 * A data set of images: decoded, resized, centre-cropped, augmented, scaled to [0, 1], normalised per channel,
 * in the model input's layout. A uint8 input gets the pixels as they are.
 */
export function imageDataset(source: ImageSource, spec: DataSpec, input: ImageInput): Dataset {
  const labels = spec.labels === "none" ? undefined : source.labels;
  if (labels !== undefined) checkLabels(labels, source.length, spec.classes, source.name);
  const channels = input.channels ?? source.channels ?? 3;
  const mean = perChannel(spec.mean ?? [0], channels, "--mean");
  const std = perChannel(spec.std ?? [1], channels, "--std");
  const tables = input.dtype === "uint8" ? undefined : pixelTables(mean, std);
  return {
    name: source.name,
    length: source.length,
    hasLabels: labels !== undefined,
    bytesInMemory: source.bytesInMemory ?? 0,
    // Files of images tell their channels, and their size, when they are decoded.
    uniform: source.channels !== undefined,
    ...(labels === undefined ? {} : countLabels(labels)),
    describe: () => ({
      ...source.describe(),
      samples: source.length,
      labels: labels !== undefined,
      input: input.name,
      layout: input.layout,
      channels,
      scale: input.dtype === "uint8" ? "pixels 0..255" : "pixels / 255",
      mean,
      std,
      ...(spec.resize === undefined ? {} : { resize: spec.resize }),
      ...(spec.crop === undefined ? {} : { crop: spec.crop }),
    }),
    async read(indices, options = {}): Promise<Batch> {
      const chosen = Array.from(indices);
      const decoded = await source.read(chosen, channels);
      const images = await Promise.all(
        decoded.map(async (image, at) => fitImage(image, spec, input, source.where(chosen[at] as number))),
      );
      const placements = chosen.map((_, position) => drawPlacement(options.augment, position));
      const tensor = stackImages(images, placements, input, channels, tables);
      const batch: Batch = { size: chosen.length, inputs: { [input.name]: tensor } };
      if (labels !== undefined) batch.labels = Int32Array.from(chosen, (index) => labels[index] as number);
      return batch;
    },
  };
}

async function fitImage(
  image: RawImage,
  spec: DataSpec,
  input: ImageInput,
  where: string,
): Promise<RawImage> {
  let fitted = image;
  if (spec.resize !== undefined) fitted = await resizeImage(fitted, spec.resize);
  if (spec.crop !== undefined) fitted = cropCentre(fitted, spec.crop, where);
  const height = input.height ?? fitted.height;
  const width = input.width ?? fitted.width;
  if (fitted.height === height && fitted.width === width) return fitted;
  throw dataError(
    "image-size",
    `The image is ${fitted.height}x${fitted.width} pixels where input "${input.name}" takes ${height}x${width}`,
    where,
    `Fit it with --resize ${height}x${width}, or with --resize and --crop.`,
  );
}

/** Resizes by bilinear interpolation, widened when shrinking, as image libraries do it. */
async function resizeImage(image: RawImage, size: Size): Promise<RawImage> {
  const { height, width } = image;
  const shorter = Math.min(height, width);
  const [newHeight, newWidth] =
    typeof size === "number"
      ? [Math.floor((size * height) / shorter), Math.floor((size * width) / shorter)]
      : size;
  if (newHeight === height && newWidth === width) return image;
  const pixels = await sharp(image.pixels, { raw: { height, width, channels: image.channels } })
    .resize(newWidth, newHeight, { fit: "fill", kernel: "linear" })
    .toColourspace(image.channels === 1 ? "b-w" : "srgb")
    .raw()
    .toBuffer();
  return { height: newHeight, width: newWidth, channels: image.channels, pixels };
}

function cropCentre(image: RawImage, size: Size, where: string): RawImage {
  const [height, width] = typeof size === "number" ? [size, size] : size;
  if (height > image.height || width > image.width) {
    throw dataError(
      "crop",
      `Cannot crop ${height}x${width} out of an image of ${image.height}x${image.width} pixels`,
      where,
      "Give a smaller --crop or a larger --resize.",
    );
  }
  const top = Math.round((image.height - height) / 2);
  const left = Math.round((image.width - width) / 2);
  const rowBytes = width * image.channels;
  const pixels = new Uint8Array(height * rowBytes);
  for (let y = 0; y < height; y++) {
    const from = ((top + y) * image.width + left) * image.channels;
    pixels.set(image.pixels.subarray(from, from + rowBytes), y * rowBytes);
  }
  return { height, width, channels: image.channels, pixels };
}

function stackImages(
  images: RawImage[],
  placements: ReturnType<typeof drawPlacement>[],
  input: ImageInput,
  channels: 1 | 3,
  tables: Float32Array[] | undefined,
): Tensor {
  const { height, width } = images[0] ?? { height: input.height ?? 0, width: input.width ?? 0 };
  const size = height * width * channels;
  const data = new (tables === undefined ? Uint8Array : Float32Array)(images.length * size);
  const convert =
    tables === undefined
      ? (pixel: number): number => pixel
      : (pixel: number, channel: number): number => (tables[channel] as Float32Array)[pixel] as number;
  images.forEach((image, index) => {
    if (image.height !== height || image.width !== width) {
      throw dataError(
        "image-size",
        `Images of one batch differ in size: ${height}x${width} and ${image.height}x${image.width}`,
        input.name,
        "Bring them to one size with --resize and --crop.",
      );
    }
    const geometry = { height, width, channels, layout: "nhwc" } as const;
    const target = { data, offset: index * size, layout: input.layout };
    placeImage(
      { data: image.pixels, offset: 0, geometry },
      target,
      placements[index] as (typeof placements)[0],
      convert,
    );
  });
  const dims = [
    images.length,
    ...(input.layout === "nchw" ? [channels, height, width] : [height, width, channels]),
  ];
  return data instanceof Float32Array ? tensorOf("float32", dims, data) : tensorOf("uint8", dims, data);
}
