import { dataError } from "../errors.ts";
import { asIs, type Geometry, type ImageSource, placeImage, type RawImage } from "./image.ts";
import type { NpyArray } from "./loaders/npy.ts";

/** 8-bit images in an array: [N, H, W], [N, C, H, W] or [N, H, W, C] with C = 1 or 3. */
export function arrayImages(
  name: string,
  array: NpyArray,
  labels: Int32Array | undefined,
  path: string,
): ImageSource {
  const geometry = geometryOf(array);
  const { height, width } = geometry;
  const channels = geometry.channels as 1 | 3;
  const size = height * width * channels;
  return {
    name,
    length: array.dims[0] as number,
    channels,
    labels,
    bytesInMemory: array.bytesInMemory,
    where: (index) => `${array.where}, image ${index}`,
    describe: () => ({ format: "8-bit image array", path, shape: [...array.dims] }),
    async read(indices, wanted): Promise<RawImage[]> {
      if (wanted !== channels) {
        throw dataError(
          "channels",
          `The images have ${channels} channels, the model takes ${wanted}`,
          array.where,
        );
      }
      const rows = await array.readRows(indices);
      return indices.map((_, row) => {
        const pixels = new Uint8Array(size);
        const target = { data: pixels, offset: 0, layout: "nhwc" as const };
        placeImage({ data: rows, offset: row * size, geometry }, target, asIs, (pixel) => pixel);
        return { height, width, channels, pixels };
      });
    },
  };
}

function geometryOf(array: NpyArray): Geometry {
  const [, a = 0, b = 0, c = 1] = array.dims;
  if (array.dims.length === 3) return { height: a, width: b, channels: 1, layout: "nhwc" };
  if (c === 1 || c === 3) return { height: a, width: b, channels: c, layout: "nhwc" };
  if (a === 1 || a === 3) return { height: b, width: c, channels: a, layout: "nchw" };
  throw dataError(
    "channels",
    `An 8-bit array of shape [${array.dims.join(", ")}] has neither 1 nor 3 channels first or last`,
    array.where,
    "Store float32 values in the model's input shape instead.",
  );
}
