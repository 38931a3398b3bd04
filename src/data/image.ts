/** An image as decoded: 8-bit pixels, row by row, channels interleaved. */
export interface RawImage {
  height: number;
  width: number;
  channels: 1 | 3;
  pixels: Uint8Array;
}

/** Images by index, before any preprocessing. */
export interface ImageSource {
  readonly name: string;
  readonly length: number;
  /** Channels the images have; undefined where each has its own (files). */
  readonly channels: 1 | 3 | undefined;
  /** Class index of each image, where known. */
  readonly labels: Int32Array | undefined;
  /** Bytes that are kept in memory; default 0. */
  readonly bytesInMemory?: number;
  /** Reads the images in the order of `indices`, with `channels` channels where the source can convert. */
  read(indices: readonly number[], channels: 1 | 3): Promise<RawImage[]>;
  /** Where image `index` is, for messages. */
  where(index: number): string;
  describe(): Record<string, unknown>;
}

export type Layout = "nchw" | "nhwc";

/** Height, width and channels of one sample and where its elements lie in a flat array. */
export interface Geometry {
  height: number;
  width: number;
  channels: number;
  layout: Layout;
}

/** Steps between neighbours along y, x and channel. */
export function strides(geometry: Geometry): { y: number; x: number; channel: number } {
  const { height, width, channels, layout } = geometry;
  return layout === "nchw"
    ? { y: width, x: 1, channel: height * width }
    : { y: width * channels, x: channels, channel: 1 };
}

/** How a sample is moved when it is augmented: `flip` mirrors, then the window starts at (top, left) of the padded image. */
export interface Placement {
  flip: boolean;
  /** Rows and columns by which the window is displaced; outside lies `outside`. */
  top: number;
  left: number;
}

export const asIs: Placement = { flip: false, top: 0, left: 0 };

/**
 * Writes one image into `target` at `offset`: mirrored, displaced, in the target's layout, each element mapped
 * by `convert(element, channel)`; places outside the image get `convert(outside, channel)`.
 */
export function placeImage(
  source: { data: ArrayLike<number>; offset: number; geometry: Geometry },
  target: { data: Float32Array | Uint8Array; offset: number; layout: Layout },
  placement: Placement,
  convert: (element: number, channel: number) => number,
  outside = 0,
): void {
  const { height, width, channels } = source.geometry;
  const from = strides(source.geometry);
  const to = strides({ ...source.geometry, layout: target.layout });
  for (let channel = 0; channel < channels; channel++) {
    const blank = convert(outside, channel);
    for (let y = 0; y < height; y++) {
      const sourceY = y + placement.top;
      const rowInside = sourceY >= 0 && sourceY < height;
      const sourceRow = source.offset + channel * from.channel + sourceY * from.y;
      let at = target.offset + channel * to.channel + y * to.y;
      for (let x = 0; x < width; x++, at += to.x) {
        const shifted = x + placement.left;
        const inside = rowInside && shifted >= 0 && shifted < width;
        const sourceX = placement.flip ? width - 1 - shifted : shifted;
        target.data[at] = inside
          ? convert(source.data[sourceRow + sourceX * from.x] as number, channel)
          : blank;
      }
    }
  }
}
