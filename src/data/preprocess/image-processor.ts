import type { DataSpec, PixelRules } from "../spec.ts";
import { type Configuration, type FieldReader, isExtent, type Preprocessing } from "./configuration.ts";

/** What is asked for by a field that is true, or a number above 1, and is not done here. */
const unsupported: Readonly<Record<string, string>> = {
  do_color_quantize: "colours from a palette",
  do_thumbnail: "thumbnails",
  do_align_long_axis: "turned pictures",
  do_crop_margin: "cropped margins",
  do_image_splitting: "pictures in several parts",
  keep_aspect_ratio: "sizes that keep the aspect ratio within a box",
  ensure_multiple_of: "sizes that are multiples of a number",
  size_divisor: "sizes that are multiples of a number",
  size_divisibility: "sizes that are multiples of a number",
  temporal_patch_size: "pictures as lists of patches",
  max_patches: "pictures as lists of patches",
  pad_size: "padding to a size",
};

/** Filters by their number in Pillow. */
const kernels: Readonly<Record<number, PixelRules["kernel"]>> = {
  0: "nearest",
  1: "lanczos3",
  2: "linear",
  3: "cubic",
};

/** Processors for which one number as a size is the shorter side; for others it is both. */
const byShorterSide =
  /^(CLIP|ChineseCLIP|ConvNext|Detr|ConditionalDetr|DeformableDetr|Deta|Yolos|MaskFormer|Mask2Former|Levit|MobileNetV1|MobileNetV2|MobileViT|PoolFormer|Bit)(ImageProcessor|FeatureExtractor)/;
/** Processors that resize by the cubic filter where the file does not say. */
const cubicByDefault = /^(CLIP|ChineseCLIP|Siglip|Blip|Deit|DeiT|Flava|Levit|PoolFormer|Bit)/;
/** Processors that crop before they resize. */
const cropsFirst = /^Perceiver/;

/**
 * An image processor of Transformers: resize, cut the centre out, rescale, normalize, in this order. Whole sides, shorter
 * sides and crops by a share follow the processor's class. Source: transformers, models/*\/image_processing_*.py.
 */
export function readImageProcessor(fields: FieldReader, type: string): Preprocessing {
  for (const [name, what] of Object.entries(unsupported)) {
    const value = fields.value(name);
    if (value === true || (typeof value === "number" && value > 1) || typeof value === "object")
      throw fields.unsupported(`${what} ("${name}")`);
  }
  if (cropsFirst.test(type)) throw fields.unsupported("a crop before pictures are resized");
  const sized = fields.flag("do_resize", fields.has("size")) ? readResize(fields, type) : {};
  const crop = fields.flag("do_center_crop", fields.has("crop_size"))
    ? readExtents(fields, "crop_size")
    : undefined;
  const { longest, ...given } = sized;
  return {
    fields: { ...(crop === undefined ? {} : { crop }), ...given, ...readNormalization(fields, type) },
    pixels: {
      ...readScale(fields),
      kernel: readKernel(fields, type),
      ...(longest === undefined ? {} : { longest }),
      order: fields.flag("do_flip_channel_order", false) ? "bgr" : "rgb",
      margins: "floor",
      pad: true,
    },
  };
}

type Sizes = Pick<DataSpec, "resize" | "crop"> & { longest?: number };

function readResize(fields: FieldReader, type: string): Sizes {
  const size = fields.value("size");
  const longest = memberOf(size, "longest_edge") ?? fields.number("max_size");
  const shortest =
    memberOf(size, "shortest_edge") ?? (isExtent(size) && byShorterSide.test(type) ? size : undefined);
  if (shortest === undefined) {
    const resize = readExtents(fields, "size");
    const pct = type.startsWith("PoolFormer") ? fields.positive("crop_pct") : undefined;
    return { resize: pct === undefined ? resize : Math.floor(resize[0] / pct) };
  }
  if (type.startsWith("Levit")) return { resize: Math.floor((256 / 224) * shortest) };
  const pct = fields.positive("crop_pct");
  if (pct !== undefined && type.startsWith("PoolFormer")) return { resize: Math.floor(shortest / pct) };
  if (pct !== undefined && type.startsWith("ConvNext"))
    return shortest < 384
      ? { resize: Math.floor(shortest / pct), crop: [shortest, shortest] }
      : { resize: [shortest, shortest] };
  return { resize: shortest, ...(longest === undefined ? {} : { longest }) };
}

/** A size as {height, width}, as a list of these, or as one number for both. */
function readExtents(fields: FieldReader, name: string): [number, number] {
  const value = fields.value(name);
  const pair: unknown[] = Array.isArray(value)
    ? value
    : isExtent(value)
      ? [value, value]
      : [memberOf(value, "height"), memberOf(value, "width")];
  if (pair.length === 2 && pair.every(isExtent)) return [pair[0] as number, pair[1] as number];
  throw fields.wrong(name, "a number, {height, width} or {shortest_edge}");
}

function memberOf(value: unknown, name: string): number | undefined {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
  const member = (value as Configuration)[name];
  return isExtent(member) ? member : undefined;
}

function readScale(fields: FieldReader): Pick<PixelRules, "scale" | "offset"> {
  if (!fields.flag("do_rescale", true)) return { scale: 1, offset: 0 };
  const offset = fields.flag("rescale_offset", false) || fields.flag("offset", false) ? -1 : 0;
  return { scale: fields.number("rescale_factor") ?? 1 / 255, offset };
}

function readNormalization(fields: FieldReader, type: string): Pick<DataSpec, "mean" | "std"> {
  if (!fields.flag("do_normalize", fields.has("image_mean"))) return { mean: [0], std: [1] };
  const mean = fields.numbers("image_mean") ?? [0];
  const std = fields.numbers("image_std") ?? [1];
  if (std.some((value) => value <= 0)) throw fields.wrong("image_std", "above 0");
  // EfficientNet's classifiers divide by the deviation once more.
  const again = type.startsWith("EfficientNet") && fields.flag("include_top", true);
  return { mean, std: again ? std.map((value) => value * value) : std };
}

function readKernel(fields: FieldReader, type: string): PixelRules["kernel"] {
  const filter = fields.number("resample") ?? (cubicByDefault.test(type) ? 3 : 2);
  const kernel = kernels[filter];
  if (kernel === undefined) throw fields.unsupported(`the resampling filter ${filter}`);
  return kernel;
}
