import sharp from "sharp";
import { dataError } from "../errors.ts";
import { roundHalfEven } from "../tensor/affine.ts";
import type { RawImage } from "./image.ts";
import type { PixelRules } from "./spec.ts";

type Size = number | readonly [number, number];

/** Resizes by a filter that is widened when shrinking, as image libraries do it. A number is the new shorter side. */
export async function resizeImage(
  image: RawImage,
  size: Size,
  { kernel, longest }: Pick<PixelRules, "kernel" | "longest">,
): Promise<RawImage> {
  const { height, width, channels } = image;
  const [newHeight, newWidth] = typeof size === "number" ? sizeByShorter(size, height, width, longest) : size;
  if (newHeight === height && newWidth === width) return image;
  const pixels = await sharp(image.pixels, { raw: { height, width, channels } })
    .resize(newWidth, newHeight, { fit: "fill", kernel })
    .toColourspace(channels === 1 ? "b-w" : "srgb")
    .raw()
    .toBuffer();
  return { height: newHeight, width: newWidth, channels, pixels };
}

/** Height and width with a new shorter side; that gets smaller where the longer one would exceed its limit. */
function sizeByShorter(
  size: number,
  height: number,
  width: number,
  longest: number | undefined,
): [number, number] {
  const [shorter, longer] = [Math.min(height, width), Math.max(height, width)];
  const exact = Math.min(size, longest === undefined ? size : (longest * shorter) / longer);
  const scaled = (side: number): number =>
    side === shorter ? Math.round(exact) : Math.floor((exact * side) / shorter);
  return [scaled(height), scaled(width)];
}

/** The centre of an image; `pad`: smaller images are filled with black on all sides. Throws UserError data/crop. */
export function cropCentre(
  image: RawImage,
  size: Size,
  { margins, pad }: Pick<PixelRules, "margins" | "pad">,
  where: string,
): RawImage {
  const [height, width] = typeof size === "number" ? [size, size] : size;
  if (!pad && (height > image.height || width > image.width))
    throw dataError(
      "crop",
      `Cannot crop ${height}x${width} out of an image of ${image.height}x${image.width} pixels`,
      where,
      "Give a smaller --crop or a larger --resize.",
    );
  // Torchvision finds the centre by Python's rounding, ties to even.
  const round = margins === "floor" ? Math.floor : roundHalfEven;
  const top = round((image.height - height) / 2);
  const left = round((image.width - width) / 2);
  const { channels } = image;
  const pixels = new Uint8Array(height * width * channels);
  const [from, to] = [Math.max(0, left), Math.min(image.width, left + width)];
  for (let y = 0; y < height; y++) {
    const source = y + top;
    if (source < 0 || source >= image.height) continue;
    const row = source * image.width;
    pixels.set(
      image.pixels.subarray((row + from) * channels, (row + to) * channels),
      (y * width + from - left) * channels,
    );
  }
  return { height, width, channels, pixels };
}
