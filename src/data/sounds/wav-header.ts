import { dataError, type UserError } from "../../errors.ts";
import type { ByteSource } from "../byte-source.ts";

/** Types of samples that are read, by the format tag and the bits of a sample. */
const encodings = {
  "1/8": "uint8",
  "1/16": "int16",
  "1/24": "int24",
  "1/32": "int32",
  "3/32": "float32",
  "3/64": "float64",
} as const;

export type Encoding = (typeof encodings)[keyof typeof encodings];

/** What the format tags of other files stand for. Source: RFC 2361. */
const otherTags: Readonly<Record<number, string>> = {
  0x02: "Microsoft ADPCM",
  0x06: "A-law",
  0x07: "mu-law",
  0x11: "IMA ADPCM",
  0x31: "GSM 6.10",
  0x55: "MP3",
};

/** What a WAV file says of its samples, and where they lie. */
export interface WavHeader {
  encoding: Encoding;
  channels: number;
  /** Frames per second; a frame is one sample of each channel. */
  sampleRate: number;
  frames: number;
  /** First byte of the samples, and bytes of a frame. */
  begin: number;
  frameBytes: number;
}

/** Sizes that programs write which cannot go back to correct them: the samples go on to the end of the file. */
const openSizes = new Set([0, 0xffffffff]);
/** The tag of a header that names its format further behind. */
const extensible = 0xfffe;
/** Files have a handful of chunks. */
const mostChunks = 4096;

export const isWav = (start: Uint8Array): boolean => {
  const text = Buffer.from(start.subarray(0, 12)).toString("latin1");
  return text.startsWith("RIFF") && text.endsWith("WAVE");
};

/**
 * Reads the header of a WAV file: nothing that it declares reaches beyond the file. Throws UserError data/wav.
 * Source: Microsoft and IBM, Multimedia Programming Interface and Data Specifications 1.0; WAVEFORMATEXTENSIBLE.
 */
export async function readWavHeader(file: ByteSource): Promise<WavHeader> {
  const { path, size } = file;
  let format: Omit<WavHeader, "frames" | "begin"> | undefined;
  let at = 12;
  for (let chunk = 0; chunk < mostChunks && at + 8 <= size; chunk++) {
    const head = Buffer.from(await file.readRows([at], 8));
    const [name, declared, begin] = [head.toString("latin1", 0, 4), head.readUInt32LE(4), at + 8];
    if (name === "fmt ") {
      if (declared < 16 || begin + declared > size) throw badWav("its format is cut off", path);
      format = readFormat(Buffer.from(await file.readRows([begin], Math.min(declared, 40))), path);
    }
    if (name === "data") {
      if (format === undefined) throw badWav("its samples come before their format", path);
      const bytes = openSizes.has(declared) ? size - begin : declared;
      if (begin + bytes > size)
        throw badWav(`it declares ${declared} bytes of samples and holds ${size - begin}`, path);
      return { ...format, frames: Math.floor(bytes / format.frameBytes), begin };
    }
    // Chunks of odd sizes are followed by a byte that nothing counts.
    at = begin + declared + (declared % 2);
  }
  throw badWav("it holds no samples", path);
}

function readFormat(bytes: Buffer, path: string): Omit<WavHeader, "frames" | "begin"> {
  const [first, channels, sampleRate] = [bytes.readUInt16LE(0), bytes.readUInt16LE(2), bytes.readUInt32LE(4)];
  const [frameBytes, bits] = [bytes.readUInt16LE(12), bytes.readUInt16LE(14)];
  const tag = first === extensible && bytes.length >= 26 ? bytes.readUInt16LE(24) : first;
  const key = `${tag}/${bits}`;
  if (!Object.hasOwn(encodings, key)) {
    const what = otherTags[tag] ?? `samples of format ${tag} with ${bits} bits`;
    throw badWav(`it holds ${what}; integers of 8 to 32 bits and floats are read`, path);
  }
  if (channels === 0 || sampleRate === 0 || frameBytes !== channels * (bits / 8))
    throw badWav(
      `its header contradicts itself: ${channels} channels of ${bits} bits in frames of ${frameBytes} bytes, ${sampleRate} a second`,
      path,
    );
  return { encoding: encodings[key as keyof typeof encodings], channels, sampleRate, frameBytes };
}

const badWav = (what: string, path: string): UserError =>
  dataError(
    "wav",
    `The WAV file cannot be read: ${what}`,
    path,
    "Convert it: ffmpeg -i FILE -c:a pcm_s16le NEW.wav.",
  );
