import { extname } from "node:path";
import type { ByteSource } from "../byte-source.ts";
import { type Encoding, readWavHeader } from "./wav-header.ts";

/** A sound whose samples are read when they are asked for. */
export interface Sound {
  where: string;
  channels: number;
  /** Frames per second; a frame is one sample of each channel. */
  sampleRate: number;
  frames: number;
  bytesInMemory: number;
  /** The first `frames` of them, [channels][frames], from -1 to 1. */
  read(frames: number): Promise<Float32Array[]>;
}

export const isSoundName = (name: string): boolean => extname(name).toLowerCase() === ".wav";

/** How one sample is read. Integers are divided by the largest magnitude of their type, as libsndfile does it. */
const decoders: Readonly<Record<Encoding, (view: DataView, at: number) => number>> = {
  uint8: (view, at) => (view.getUint8(at) - 128) / 2 ** 7,
  int16: (view, at) => view.getInt16(at, true) / 2 ** 15,
  int24: (view, at) => (view.getUint16(at, true) + view.getInt8(at + 2) * 2 ** 16) / 2 ** 23,
  int32: (view, at) => view.getInt32(at, true) / 2 ** 31,
  float32: (view, at) => view.getFloat32(at, true),
  float64: (view, at) => view.getFloat64(at, true),
};

/**
 * Opens a WAV file: its header is read now, and samples when they are asked for. Throws UserError data/wav. (The decoders of
 * npm scale positive integers otherwise than libraries that models are trained with, and allocate what headers declare.)
 */
export async function openWav(file: ByteSource, where = file.path): Promise<Sound> {
  const { encoding, channels, sampleRate, frames, begin, frameBytes } = await readWavHeader(file);
  const decode = decoders[encoding];
  const width = frameBytes / channels;
  return {
    where,
    channels,
    sampleRate,
    frames,
    bytesInMemory: file.bytesInMemory,
    async read(count) {
      const taken = Math.min(count, frames);
      const bytes = await file.readRows([begin], taken * frameBytes);
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      return Array.from({ length: channels }, (_, channel) =>
        Float32Array.from({ length: taken }, (_, frame) =>
          decode(view, frame * frameBytes + channel * width),
        ),
      );
    },
  };
}
