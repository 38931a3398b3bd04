import { dataError } from "../errors.ts";
import { type Tensor, tensorOf } from "../tensor/tensor.ts";
import { drawPlacement } from "./augment.ts";
import type { Batch, Dataset } from "./dataset.ts";
import { type ImageSource, placeImage, type RawImage } from "./image.ts";
import { checkLabels, countLabels } from "./labels.ts";
import type { ImageInput } from "./model-input.ts";
import { perChannel, pixelTables } from "./pixel-tables.ts";
import { cropCentre, resizeImage } from "./fit-image.ts";
import type { PixelRules, SettledSpec } from "./spec.ts";

/** What becomes of pixels unless a file of preprocessing says otherwise. */
const usualRules: PixelRules = {
  scale: 1 / 255,
  offset: 0,
  kernel: "linear",
  order: "rgb",
  margins: "round",
  pad: false,
};

/**
 * A data set of images: decoded, resized, centre-cropped, augmented, scaled to [0, 1], normalised per channel,
 * in the model input's layout. A uint8 input gets the pixels as they are.
 */
export function imageDataset(source: ImageSource, spec: SettledSpec, input: ImageInput): Dataset {
  const labels = spec.labels === "none" ? undefined : source.labels;
  if (labels !== undefined) checkLabels(labels, source.length, spec.classes, source.name);
  const channels = input.channels ?? source.channels ?? 3;
  const rules = spec.pixels ?? usualRules;
  // Means and deviations are those of red, green and blue.
  const ordered = (values: number[]): number[] => (rules.order === "bgr" ? values.reverse() : values);
  const mean = ordered(perChannel(spec.mean ?? [0], channels, "--mean"));
  const std = ordered(perChannel(spec.std ?? [1], channels, "--std"));
  if (spec.sound !== undefined)
    throw dataError(
      "preprocess",
      "The file of preprocessing is for sounds, and the data are pictures",
      source.name,
      "Give the one of the model.",
    );
  const tables = input.dtype === "uint8" ? undefined : pixelTables(mean, std, rules);
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
      scale: input.dtype === "uint8" ? "pixels 0..255" : describeScale(rules),
      mean,
      std,
      ...(spec.resize === undefined ? {} : { resize: spec.resize }),
      ...(spec.crop === undefined ? {} : { crop: spec.crop }),
      ...(spec.pixels === undefined ? {} : { preprocess: spec.preprocess, filter: rules.kernel }),
      ...(rules.longest === undefined ? {} : { longestSide: rules.longest }),
      ...(rules.order === "rgb" ? {} : { order: rules.order }),
    }),
    async read(indices, options = {}): Promise<Batch> {
      const chosen = Array.from(indices);
      const decoded = await source.read(chosen, channels);
      const images = await Promise.all(
        decoded.map(async (image, at) =>
          fitImage(image, { ...spec, ...rules }, input, source.where(chosen[at] as number)),
        ),
      );
      const placements = chosen.map((_, position) => drawPlacement(options.augment, position));
      const fed = rules.order === "bgr" && channels === 3 ? images.map(reverseChannels) : images;
      const tensor = stackImages(fed, placements, input, channels, tables);
      const batch: Batch = { size: chosen.length, inputs: { [input.name]: tensor } };
      if (labels !== undefined) batch.labels = Int32Array.from(chosen, (index) => labels[index] as number);
      return batch;
    },
  };
}

const describeScale = ({ scale, offset }: PixelRules): string =>
  `pixels ${scale === 1 ? "0..255" : `/ ${Number((1 / scale).toPrecision(6))}`}${offset === 0 ? "" : ` ${offset < 0 ? "-" : "+"} ${Math.abs(offset)}`}`;

/** Red, green and blue as blue, green and red. */
const reverseChannels = (image: RawImage): RawImage => ({
  ...image,
  pixels: image.pixels.map((_, at) => image.pixels[at + 2 - 2 * (at % 3)] as number),
});

async function fitImage(
  image: RawImage,
  spec: PixelRules & Pick<SettledSpec, "resize" | "crop">,
  input: ImageInput,
  where: string,
): Promise<RawImage> {
  let fitted = image;
  if (spec.resize !== undefined) fitted = await resizeImage(fitted, spec.resize, spec);
  if (spec.crop !== undefined) fitted = cropCentre(fitted, spec.crop, spec, where);
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
