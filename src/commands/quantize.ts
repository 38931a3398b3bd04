import { quantize } from "../workflows/index.ts";
import type { Command } from "./command.ts";
import {
  calibrationOptions,
  dataUnless,
  evaluationBatch,
  int4Options,
  judgedOptions,
  metricOptions,
  outOptions,
  quantizationOptions,
  reportOptions,
  runOptions,
  subgraphOptions,
  testOptions,
  inputOptions,
} from "./options.ts";
import { readInputShapes } from "./read-inputs.ts";
import { readInt4, readQuantization, readRun } from "./read-choices.ts";
import { readMetrics, readDataSpec, readTestSpec } from "./read-data.ts";

export const quantizeCommand = {
  name: "quantize",
  positional: { name: "model", describe: "ONNX model to quantize" },
  describe: "Quantize a model by calibration alone (post-training quantization)",
  options: {
    ...dataUnless("stats"),
    "input-shape": inputOptions["input-shape"],
    ...judgedOptions,
    ...testOptions,
    ...metricOptions,
    ...quantizationOptions,
    ...calibrationOptions,
    ...int4Options,
    ...subgraphOptions,
    ...evaluationBatch,
    ...runOptions,
    ...outOptions,
    ...reportOptions,
  },
  examples: [
    {
      line: "efqat quantize model.onnx --data samples.npz --out model.int8.onnx",
      describe: "8-bit weights and activations, ranges from 512 samples",
    },
    {
      line: "efqat quantize model.onnx --stats stats.json --target tensorrt --out model.trt.onnx",
      describe: "for another runtime, from the statistics of `efqat calibrate`, without data",
    },
  ],
  run: (model, options, context) =>
    quantize(
      {
        model,
        inputShapes: readInputShapes(options),
        ...readRun(options),
        data: options.text("data") === undefined ? undefined : readDataSpec(options),
        metric: readMetrics(options, context.metrics),
        output: options.text("output"),
        test: readTestSpec(options),
        testTargets: options.text("test-targets"),
        out: options.needText("out"),
        quantization: { ...readQuantization(options), int4: readInt4(options) },
        batch: options.needNumber("batch", { min: 1, integer: true }),
      },
      context,
    ),
} as const satisfies Command;
