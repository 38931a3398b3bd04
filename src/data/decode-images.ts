import sharp from "sharp";
import { dataError } from "../errors.ts";
import type { RawImage } from "./image.ts";

/** An encoded picture, in a file or in memory. */
export interface EncodedImage {
  content: string | Uint8Array;
  where: string;
}

/** Pictures decoded at a time. */
const decodeWidth = 8;

/** Decodes pictures upright (EXIF), without alpha, as sRGB or grey. Throws UserError data/image that names which cannot be. */
export async function decodeImages(files: readonly EncodedImage[], channels: 1 | 3): Promise<RawImage[]> {
  const images: RawImage[] = [];
  for (let start = 0; start < files.length; start += decodeWidth) {
    const part = files.slice(start, start + decodeWidth);
    images.push(...(await Promise.all(part.map((file) => decodeImage(file, channels)))));
  }
  return images;
}

async function decodeImage({ content, where }: EncodedImage, channels: 1 | 3): Promise<RawImage> {
  try {
    const upright = sharp(content).autoOrient().flatten({ background: "black" });
    const coloured =
      channels === 1 ? upright.greyscale().toColourspace("b-w") : upright.toColourspace("srgb");
    const { data, info } = await coloured.raw({ depth: "uchar" }).toBuffer({ resolveWithObject: true });
    if (info.channels !== channels) throw new Error(`it has ${info.channels} channels after conversion`);
    return { height: info.height, width: info.width, channels, pixels: data };
  } catch (error) {
    throw dataError(
      "image",
      `The image cannot be decoded: ${error instanceof Error ? error.message : String(error)}`,
      where,
      "Repair or remove the file.",
    );
  }
}
