import { profile } from "../workflows/index.ts";
import type { Command } from "./command.ts";
import { buildOptions, profileOptions, reportOptions, runOptions, inputOptions } from "./options.ts";
import { readInputShapes } from "./read-inputs.ts";
import { readArtifactChoices, readQuantization, readRun } from "./read-choices.ts";
import { readDataSpec } from "./read-data.ts";

export const profileCommand = {
  name: "profile",
  positional: { name: "model", describe: "ONNX model to take training steps of" },
  describe: "Show where the time and memory of a training step go: by part, by operator, by layer",
  options: {
    ...buildOptions,
    "input-shape": inputOptions["input-shape"],
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
        inputShapes: readInputShapes(options),
        ...readRun(options),
        data: readDataSpec(options),
        output: options.text("output"),
        quantization: readQuantization(options),
        training: readArtifactChoices(options),
        steps: options.needNumber("steps", { min: 1, integer: true }),
      },
      context,
    ),
} as const satisfies Command;
