import { profile } from "../../workflows/index.ts";
import type { Command } from "../command.ts";
import {
  artifactOptions,
  calibrationOptions,
  dataOptions,
  freezingOptions,
  profileOptions,
  quantizationOptions,
  reportOptions,
  runOptions,
  optimizerOptions,
  rateOptions,
} from "../options.ts";
import { readArtifactChoices, readQuantization, readRun } from "../read-choices.ts";
import { readDataSpec } from "../read-data.ts";

const { ratio, mode, importance } = freezingOptions;

export const profileCommand: Command = {
  name: "profile",
  positional: { name: "model", describe: "ONNX model to take training steps of" },
  describe: "Show where the time and memory of a training step go: by part, by operator, by layer",
  options: {
    ...dataOptions,
    ...quantizationOptions,
    ...calibrationOptions,
    ...{ ratio, mode, importance },
    ...artifactOptions,
    ...optimizerOptions,
    ...rateOptions,
    ...profileOptions,
    ...runOptions,
    ...reportOptions,
  },
  examples: [
    {
      line: "efqat profile model.onnx --data fashion-mnist --ratio 0.25 --html profile.html",
      describe: "what a step costs at this ratio, with a picture",
    },
  ],
  run: (model, options, context) =>
    profile(
      {
        model,
        ...readRun(options),
        data: readDataSpec(options),
        quantization: readQuantization(options),
        training: readArtifactChoices(options),
        steps: options.needNumber("steps", { min: 1, integer: true }),
      },
      context,
    ),
};
