import { dataError } from "../../errors.ts";
import type { SettledSpec } from "../spec.ts";
import type { Sound } from "./wav.ts";

/** What inputs that take the sample rate are called; `--set` gives their value. */
const rateInputs = ["sr", "sample_rate", "sampling_rate", "samplerate"];

/**
 * The rate that all sounds have: the one that the model is said to take, where that is known, by --sample-rate, --set sr=RATE or
 * --preprocess. Throws UserError data/sample-rate that names the first sound with another one.
 */
export function checkSampleRates(sounds: readonly Sound[], spec: SettledSpec): number | undefined {
  const set = Object.entries(spec.set ?? {}).find(([name]) => rateInputs.includes(name.toLowerCase()));
  const asked = spec.sampleRate ?? set?.[1][0] ?? spec.sound?.sampleRate;
  const [first] = sounds;
  const wanted = asked ?? first?.sampleRate;
  const other = sounds.find(({ sampleRate }) => sampleRate !== wanted);
  if (other === undefined) return wanted;
  const where = asked === undefined ? `${first?.where ?? ""} has` : "the model takes";
  throw dataError(
    "sample-rate",
    `The sound has ${other.sampleRate} samples a second where ${where} ${wanted}`,
    other.where,
    `Convert it: ffmpeg -i FILE -ar ${wanted} NEW.wav${asked === undefined ? "" : ", or correct the rate (--sample-rate)"}.`,
  );
}
