import { optimize } from "../workflows/index.ts";
import type { Command } from "./command.ts";
import {
  artifactOptions,
  calibrationOptions,
  dataOptions,
  freezingOptions,
  int4Options,
  judgedOptions,
  optimizerOptions,
  metricOptions,
  outOptions,
  quantizationOptions,
  rateOptions,
  reportOptions,
  runOptions,
  subgraphOptions,
  testOptions,
  trainOptions,
  inputOptions,
} from "./options.ts";
import { readInputShapes } from "./read-inputs.ts";
import { readArtifactChoices, readQuantization, readCourse, readRun } from "./read-choices.ts";
import { readMetrics, readDataSpec, readTestSpec } from "./read-data.ts";

export const optimizeCommand = {
  name: "optimize",
  positional: { name: "model", describe: "ONNX model to quantize" },
  describe: "Quantize a model and train back the accuracy it lost: the whole way in one command",
  options: {
    ...dataOptions,
    "input-shape": inputOptions["input-shape"],
    ...judgedOptions,
    ...testOptions,
    ...metricOptions,
    ...quantizationOptions,
    ...calibrationOptions,
    ...int4Options,
    ...subgraphOptions,
    ...freezingOptions,
    ...artifactOptions,
    ...optimizerOptions,
    ...rateOptions,
    ...trainOptions,
    ...runOptions,
    ...outOptions,
    artifact: {
      describe:
        "Keep the training artifact in this folder, for any machine (default: one for this machine beside --out, removed after the run)",
      group: "Output:",
    },
    ...reportOptions,
  },
  examples: [
    {
      line: "efqat optimize model.onnx --data fashion-mnist --mean 0.286 --std 0.353 --wbits 4 --out model.w4a8.onnx",
      describe: "4-bit weights, 8-bit activations, a quarter of the rows trained for one epoch",
    },
    {
      line: "efqat optimize model.onnx --data images/ --resize 256 --crop 224 --labels none --out int8.onnx",
      describe: "learn from the float model instead of labels",
    },
  ],
  run: (model, options, context) =>
    optimize(
      {
        model,
        inputShapes: readInputShapes(options),
        ...readRun(options),
        data: readDataSpec(options),
        metric: readMetrics(options, context.metrics),
        output: options.text("output"),
        test: readTestSpec(options),
        testTargets: options.text("test-targets"),
        out: options.needText("out"),
        artifact: options.text("artifact"),
        resume: options.flag("resume"),
        restart: options.flag("restart"),
        tensorboard: options.text("tensorboard"),
        quantization: readQuantization(options),
        training: { ...readArtifactChoices(options), ...readCourse(options) },
      },
      context,
    ),
} as const satisfies Command;
