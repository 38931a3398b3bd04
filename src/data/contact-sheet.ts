import sharp from "sharp";
import type { Tensor } from "../tensor/tensor.ts";
import { readNumbers } from "./convert-elements.ts";

/** Pictures in a row of a sheet, and the side of the square that each is fitted into, in pixels. */
const [columns, cell, gap] = [8, 96, 4];
/** Pictures that a sheet holds at most. */
export const mostOnSheet = 64;

/** Whether a sample's tensor, batch of one included, is a picture. */
export const isPicture = ({ dims }: Tensor): boolean =>
  dims.length === 4 && dims[0] === 1 && [dims[1], dims[3]].some((dim) => dim === 1 || dim === 3);

/**
 * A PNG file with the pictures side by side, as the model is fed with them: their values from the smallest to the largest of
 * all are black to white.
 */
export async function contactSheet(pictures: readonly Tensor[]): Promise<Uint8Array> {
  const values = pictures.map((picture) => readNumbers(picture) ?? []);
  const [low, high] = rangeOf(values);
  const tiles = await Promise.all(
    pictures.map(async ({ dims }, index) => {
      const first = dims[1] === 1 || dims[1] === 3;
      const [channels = 1, height = 1, width = 1] = first ? dims.slice(1) : [dims[3], dims[1], dims[2]];
      const pixels = new Uint8Array(height * width * channels);
      const source = values[index] as number[];
      for (let at = 0; at < pixels.length; at++) {
        const [place, channel] = [Math.floor(at / channels), at % channels];
        const value = source[first ? channel * height * width + place : at] as number;
        pixels[at] = Math.round((255 * (value - low)) / (high - low || 1));
      }
      const image = sharp(pixels, { raw: { width, height, channels: channels as 1 | 3 } });
      const enlarged = image.resize(cell, cell, { fit: "contain", kernel: "nearest" });
      return {
        input: await enlarged.toColourspace("srgb").png().toBuffer(),
        left: gap + (index % columns) * (cell + gap),
        top: gap + Math.floor(index / columns) * (cell + gap),
      };
    }),
  );
  const width = gap + Math.min(columns, pictures.length) * (cell + gap);
  const height = gap + Math.ceil(pictures.length / columns) * (cell + gap);
  const background = { r: 128, g: 128, b: 128 };
  return sharp({ create: { width, height, channels: 3, background } })
    .composite(tiles)
    .removeAlpha()
    .png()
    .toBuffer();
}

function rangeOf(lists: readonly (readonly number[])[]): [low: number, high: number] {
  let [low, high] = [Infinity, -Infinity];
  for (const list of lists)
    for (const value of list) {
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  return [low, high];
}
