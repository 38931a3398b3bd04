import { buildArtifact } from "../workflows/index.ts";
import type { Command } from "./command.ts";
import {
  buildOptions,
  outOptions,
  reportOptions,
  restartOptions,
  runOptions,
  inputOptions,
} from "./options.ts";
import { readInputShapes } from "./read-inputs.ts";
import { readArtifactChoices, readQuantization, readRun } from "./read-choices.ts";
import { readDataSpec } from "./read-data.ts";

export const artifactCommand = {
  name: "artifact",
  positional: { name: "model", describe: "ONNX model to build training graphs for" },
  describe: "Write the training artifact: training, evaluation and optimizer graphs for stock ONNX Runtime",
  options: {
    ...buildOptions,
    "input-shape": inputOptions["input-shape"],
    ...restartOptions,
    ...runOptions,
    ...outOptions,
    ...reportOptions,
  },
  examples: [
    {
      line: "efqat artifact model.onnx --data fashion-mnist --wbits 4 --out artifact/",
      describe: "build the artifact; train it with `efqat train artifact/` or from any language",
    },
  ],
  run: (model, options, context) =>
    buildArtifact(
      {
        model,
        inputShapes: readInputShapes(options),
        ...readRun(options),
        data: readDataSpec(options),
        output: options.text("output"),
        out: options.needText("out"),
        quantization: readQuantization(options),
        training: readArtifactChoices(options),
        restart: options.flag("restart"),
      },
      context,
    ),
} as const satisfies Command;
