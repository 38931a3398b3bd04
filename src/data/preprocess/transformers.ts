import { dataError } from "../../errors.ts";
import { type Configuration, FieldReader, isConfiguration, type Preprocessing } from "./configuration.ts";
import { readImageProcessor } from "./image-processor.ts";

/** Feature extractors that feed the waveform itself. */
const waveforms = [
  "Wav2Vec2FeatureExtractor",
  "SpeechT5FeatureExtractor",
  "EncodecFeatureExtractor",
  "DacFeatureExtractor",
];

/** A preprocessor_config.json of Transformers, or a processor_config.json with the same inside. */
export function readTransformers(file: Configuration, path: string): Preprocessing {
  const own = [file["image_processor"], file["feature_extractor"]].find(isConfiguration) ?? file;
  const fields = new FieldReader(own, path);
  const type = fields.text("image_processor_type") ?? fields.text("feature_extractor_type") ?? "";
  if (fields.has("sampling_rate")) return readSounds(fields, type);
  const known = ["image_mean", "rescale_factor", "do_resize", "do_rescale", "size", "crop_size"];
  if (known.some((name) => fields.has(name))) return readImageProcessor(fields, type);
  throw dataError(
    "preprocess",
    `The file says nothing of pictures or sounds${type === "" ? "" : ` (${type})`}; it has ${Object.keys(own).slice(0, 8).join(", ")}`,
    path,
    "Give the preprocessor_config.json of a Transformers model, or the config.json of a timm model.",
  );
}

function readSounds(fields: FieldReader, type: string): Preprocessing {
  if (!waveforms.includes(type))
    throw fields.unsupported(
      `features of sounds${type === "" ? "" : ` (${type})`}: only waveforms are fed as they are`,
    );
  const sampleRate = fields.positive("sampling_rate");
  return {
    fields: {},
    sound: {
      ...(sampleRate === undefined ? {} : { sampleRate }),
      normalize: fields.flag("do_normalize", false),
    },
  };
}
