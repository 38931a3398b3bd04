/** What a WAV file shall hold; `chunk`: another chunk before the samples, `declared`: bytes of samples that its header claims. */
export interface WavContent {
  sampleRate?: number;
  channels?: number;
  chunk?: Uint8Array;
  declared?: number;
  /** Tag of the format; 1 for integers. */
  tag?: number;
  frameBytes?: number;
}

/** A WAV file of 16-bit samples, interleaved. */
export function wavOf(samples: ArrayLike<number>, content: WavContent = {}): Buffer {
  const { sampleRate = 8000, channels = 1, chunk, declared = samples.length * 2, tag = 1 } = content;
  const format = Buffer.alloc(24);
  format.write("fmt ", "latin1");
  format.writeUInt32LE(16, 4);
  format.writeUInt16LE(tag, 8);
  format.writeUInt16LE(channels, 10);
  format.writeUInt32LE(sampleRate, 12);
  format.writeUInt32LE(sampleRate * channels * 2, 16);
  format.writeUInt16LE(content.frameBytes ?? channels * 2, 20);
  format.writeUInt16LE(16, 22);
  const data = Buffer.from(Int16Array.from(samples).buffer);
  const parts = [
    format,
    ...(chunk === undefined ? [] : [chunkOf("LIST", chunk)]),
    header("data", declared),
    data,
  ];
  const body = Buffer.concat([Buffer.from("WAVE"), ...parts]);
  return Buffer.concat([header("RIFF", body.length), body]);
}

function header(name: string, size: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.write(name, "latin1");
  bytes.writeUInt32LE(size, 4);
  return bytes;
}

/** A chunk, with the byte behind it that makes its length even. */
const chunkOf = (name: string, content: Uint8Array): Buffer =>
  Buffer.concat([header(name, content.length), content, Buffer.alloc(content.length % 2)]);
