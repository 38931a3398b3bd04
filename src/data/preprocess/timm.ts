import {
  type Configuration,
  FieldReader,
  isConfiguration,
  isExtent,
  type Preprocessing,
} from "./configuration.ts";

const kernels = { bicubic: "cubic", bilinear: "linear", nearest: "nearest", lanczos: "lanczos3" } as const;

/** The part of a timm config.json that says how pictures are preprocessed; undefined in other files. */
export function timmConfiguration(file: Configuration): Configuration | undefined {
  const own = file["pretrained_cfg"];
  if (isConfiguration(own)) return own;
  return Array.isArray(file["input_size"]) && "crop_pct" in file ? file : undefined;
}

/**
 * The evaluation transform of timm: the shorter side becomes size / crop_pct (both sides, where crop_mode is "squash"), then
 * the centre is cut out. Source: timm, data/transforms_factory.py, transforms_imagenet_eval.
 */
export function readTimm(file: Configuration, path: string): Preprocessing {
  const fields = new FieldReader(file, path);
  const size = fields.value("input_size");
  if (!Array.isArray(size) || size.length !== 3 || !size.every(isExtent))
    throw fields.wrong("input_size", "[channels, height, width]");
  const [, height, width] = size as [number, number, number];
  const pct = fields.positive("crop_pct") ?? 0.875;
  const mode = fields.text("crop_mode") ?? "center";
  const interpolation = fields.text("interpolation") ?? "bicubic";
  if (mode !== "center" && mode !== "squash") throw fields.unsupported(`the crop mode "${mode}"`);
  if (!Object.hasOwn(kernels, interpolation))
    throw fields.unsupported(`the interpolation "${interpolation}"`);
  if (mode === "center" && height !== width)
    throw fields.unsupported(`pictures of ${height}x${width}, cut from others of the same height`);
  const scaled = [Math.floor(height / pct), Math.floor(width / pct)] as const;
  return {
    fields: {
      resize: mode === "squash" ? [...scaled] : scaled[0],
      crop: [height, width],
      mean: fields.numbers("mean") ?? [0],
      std: fields.numbers("std") ?? [1],
    },
    pixels: {
      scale: 1 / 255,
      offset: 0,
      kernel: kernels[interpolation as keyof typeof kernels],
      order: "rgb",
      margins: "round",
      pad: true,
    },
  };
}
