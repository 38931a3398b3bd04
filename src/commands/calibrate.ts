import { calibrate, mergeCalibrations } from "../workflows/index.ts";
import type { Command } from "./command.ts";
import {
  dataUnless,
  evaluationBatch,
  inputOptions,
  outOptions,
  reportOptions,
  runOptions,
  statisticsOptions,
} from "./options.ts";
import { readDataSpec } from "./read-data.ts";
import { readInputShapes } from "./read-inputs.ts";

const { threads, provider } = runOptions;

export const calibrateCommand = {
  name: "calibrate",
  positional: {
    name: "model",
    describe: "ONNX model to calibrate; with --merge, files of statistics",
    severalWith: "merge",
  },
  describe:
    "Write statistics of all values of a model, from which quantize works without data, for any target",
  options: {
    ...dataUnless("merge"),
    ...statisticsOptions,
    "input-shape": inputOptions["input-shape"],
    ...evaluationBatch,
    threads,
    provider,
    ...outOptions,
    ...reportOptions,
  },
  examples: [
    {
      line: "efqat calibrate model.onnx --data samples.npz --out stats.json",
      describe: "look at 512 samples; then `efqat quantize model.onnx --stats stats.json --target NAME`",
    },
    {
      line: "efqat calibrate --merge a.json b.json --out stats.json",
      describe: "the statistics of the samples of both",
    },
  ],
  run: (model, options, context, more) =>
    options.flag("merge")
      ? mergeCalibrations({ files: [model, ...more], out: options.needText("out") }, context)
      : calibrate(
          {
            model,
            inputShapes: readInputShapes(options),
            threads: options.number("threads", { min: 1, integer: true }),
            provider: options.needText("provider"),
            data: readDataSpec(options),
            samples: options.number("samples", { min: 1, integer: true }),
            batch: options.needNumber("batch", { min: 1, integer: true }),
            out: options.needText("out"),
          },
          context,
        ),
} as const satisfies Command;
