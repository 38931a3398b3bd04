import { dataError } from "../../errors.ts";
import type { ModelInput } from "../model-input.ts";
import type { Sound } from "./wav.ts";

/** How a sound becomes a sample. */
export interface SoundShape {
  /** Shape of the sample, without the batch. */
  dims: readonly number[];
  channels: number;
  /** Frames of the sample: beyond those of the sound stands silence. */
  frames: number;
  /** Samples of one frame lie side by side. */
  interleaved: boolean;
}

/** Channels that sounds have where an input does not say. */
const fewChannels = 8;

/**
 * The sample that an input takes of a sound. `length`: frames that are asked for. One channel is made of several by their
 * mean, and nothing else is made up. Throws UserError data/sound where the sound does not fit.
 */
export function soundShape(
  { channels, frames, where }: Sound,
  { name, shape }: ModelInput,
  length: number | undefined,
): SoundShape {
  const last = shape.at(-1);
  const beside = shape.length === 3 ? shape[1] : 1;
  const interleaved = isFew(last) && !isFew(beside) && shape.length === 3;
  const [wantedChannels, wantedFrames] = interleaved ? [last, beside] : [beside, last];
  const taken = typeof wantedChannels === "number" ? wantedChannels : channels;
  if (taken !== channels && taken !== 1)
    throw dataError(
      "sound",
      taken > fewChannels
        ? `Input "${name}" takes ${taken} values at a time, which no sound has channels for`
        : `The sound has ${channels} channel(s) where input "${name}" takes ${taken}`,
      where,
      taken > fewChannels
        ? "Where the model takes spectra or other features, compute them as for training, and save them: numpy.save('x.npy', features)."
        : "Convert it: ffmpeg -i FILE -ac CHANNELS NEW.wav.",
    );
  const own = length ?? frames;
  if (typeof wantedFrames === "number" && wantedFrames !== own)
    throw dataError(
      "sound",
      `The sound has ${own} samples${length === undefined ? "" : " (--length)"} where input "${name}" takes ${wantedFrames}`,
      where,
      `Cut longer ones, and fill shorter ones with silence: --length ${wantedFrames}.`,
    );
  if (own === 0)
    throw dataError("empty", "The sound has no samples", where, "Remove the file, or give --length.");
  const dims = shape.length === 3 ? (interleaved ? [own, taken] : [taken, own]) : [own];
  return { dims, channels: taken, frames: own, interleaved };
}

const isFew = (dim: unknown): boolean => typeof dim === "number" && dim <= fewChannels;

/** The samples of a sound in their shape; `normalize`: each channel to mean 0 and variance 1, before silence is added. */
export async function shapeSound(
  sound: Sound,
  { channels, frames, interleaved }: SoundShape,
  normalize: boolean,
): Promise<Float32Array> {
  const read = await sound.read(frames);
  const kept = channels < read.length ? [mean(read)] : read;
  const sample = new Float32Array(channels * frames);
  for (const [channel, own] of kept.entries()) {
    const values = normalize ? standardize(own) : own;
    const [start, step] = interleaved ? [channel, channels] : [channel * frames, 1];
    for (let at = 0; at < values.length; at++) sample[start + at * step] = values[at] as number;
  }
  return sample;
}

/** The mean of the channels, frame by frame. */
function mean(channels: readonly Float32Array[]): Float32Array {
  const [first] = channels as [Float32Array];
  return first.map(
    (_, at) => channels.reduce((sum, values) => sum + (values[at] as number), 0) / channels.length,
  );
}

/** (x - mean) / sqrt(variance + 1e-7), as feature extractors of Transformers do it. */
function standardize(values: Float32Array): Float32Array {
  const centre = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / values.length;
  return values.map((value) => (value - centre) / Math.sqrt(variance + 1e-7));
}
