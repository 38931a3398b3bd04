import { dataError, type UserError } from "../../errors.ts";
import { floats } from "../../tensor/tensor.ts";
import type { Dataset } from "../dataset.ts";
import { feedDataset } from "../feed-dataset.ts";
import type { ModelInput } from "../model-input.ts";
import type { NpyArray } from "../loaders/npy.ts";
import { openArrays } from "../open-arrays.ts";
import type { SettledSpec } from "../spec.ts";
import { checkSampleRates } from "./sample-rates.ts";
import { shapeSound, type SoundShape, soundShape } from "./sound-shape.ts";
import type { Sound } from "./wav.ts";

/** Where sounds come from, for the report, and their labels. */
interface SoundOrigin {
  labels: Int32Array | undefined;
  describe: Record<string, unknown>;
}

/**
 * Sounds as the input of a model that takes waveforms: one channel or several, as it does; those of one length stacked,
 * others one at a time. Throws UserError data/sound, data/sample-rate and data/input.
 */
export async function soundDataset(
  sounds: readonly Sound[],
  origin: SoundOrigin,
  inputs: readonly ModelInput[],
  spec: SettledSpec,
): Promise<Dataset> {
  const input = waveformInput(inputs, spec.path);
  const sampleRate = checkSampleRates(sounds, spec);
  const shapes = sounds.map((sound) => soundShape(sound, input, spec.length));
  const [first] = shapes;
  const alike = first !== undefined && shapes.every(({ dims }) => dims.join() === first.dims.join());
  const read = async (index: number): Promise<Float32Array> =>
    shapeSound(sounds[index] as Sound, shapes[index] as SoundShape, spec.sound?.normalize === true);
  const dataset = alike
    ? await openArrays([{ input, array: stacked(sounds, first.dims, read) }], origin.labels, spec)
    : await feedDataset(
        sounds.map(({ where }, index) => ({
          path: where,
          read: async () => ({ [input.name]: floats(await read(index), (shapes[index] as SoundShape).dims) }),
        })),
        inputs,
        spec,
        origin.labels,
      );
  const averaged = sounds.filter(({ channels }, at) => channels > (shapes[at]?.channels ?? 0)).length;
  const describe = {
    ...origin.describe,
    sampleRate,
    ...(averaged === 0 ? {} : { averagedToOneChannel: averaged }),
    ...(spec.length === undefined ? {} : { length: spec.length }),
    ...(spec.sound?.normalize === true ? { normalized: "zero mean, unit variance" } : {}),
  };
  return { ...dataset, describe: () => ({ ...dataset.describe(), ...describe }) };
}

function stacked(
  sounds: readonly Sound[],
  dims: readonly number[],
  read: (index: number) => Promise<Float32Array>,
): NpyArray {
  return {
    where: sounds[0]?.where ?? "",
    dtype: "float32",
    dims: [sounds.length, ...dims],
    bytesInMemory: sounds.reduce((sum, { bytesInMemory }) => sum + bytesInMemory, 0),
    async readRows(indices) {
      const rows: Uint8Array[] = [];
      for (const index of indices) rows.push(new Uint8Array((await read(index)).buffer));
      return Buffer.concat(rows);
    },
  };
}

/** The one input of a model that sounds feed. */
function waveformInput(inputs: readonly ModelInput[], where: string): ModelInput {
  const [input] = inputs;
  if (input === undefined || inputs.length > 1)
    throw refuse(
      `Sounds feed a model with one input; this one has ${inputs.map(({ name }) => name).join(", ")}`,
      where,
      "Give the others a value with --set NAME=VALUE, or all of them as arrays in .npz files.",
    );
  const { name, dtype, shape } = input;
  if (dtype === "float32" && shape.length >= 1 && shape.length <= 3) return input;
  throw refuse(
    `Sounds feed a float32 input of waveforms, [batch, samples] or [batch, channels, samples]; "${name}" is ${dtype} [${shape.map((dim) => dim ?? "?").join(", ")}]`,
    where,
    "Where the model takes spectra or other features, compute them as for training, and save them: numpy.save('x.npy', features).",
  );
}

const refuse = (what: string, where: string, hint: string): UserError =>
  dataError("input", what, where, hint);
