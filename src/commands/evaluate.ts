import { evaluate } from "../workflows/index.ts";
import type { Command } from "./command.ts";
import {
  dataOptions,
  evaluationBatch,
  metricOptions,
  reportOptions,
  runOptions,
  inputOptions,
} from "./options.ts";
import { readInputShapes } from "./read-inputs.ts";
import { readMetrics, readDataSpec } from "./read-data.ts";

const { threads, provider } = runOptions;

export const evaluateCommand = {
  name: "evaluate",
  positional: { name: "model", describe: "ONNX model to judge" },
  describe: "Run a model over data: top-1, top-5, loss, and its distance from a reference model",
  options: {
    ...dataOptions,
    "input-shape": inputOptions["input-shape"],
    reference: { describe: "Float model to compare with: SQNR and agreement", group: "Data:" },
    output: { describe: "Output to judge (default: the first of floats)", group: "Data:" },
    ...evaluationBatch,
    ...metricOptions,
    threads,
    provider,
    ...reportOptions,
  },
  examples: [
    {
      line: "efqat evaluate quantized.onnx --data fashion-mnist --split test --reference model.onnx",
      describe: "accuracy of both, and how far they are apart",
    },
  ],
  run: (model, options, context) =>
    evaluate(
      {
        model,
        inputShapes: readInputShapes(options),
        data: readDataSpec(options),
        metric: readMetrics(options, context.metrics),
        reference: options.text("reference"),
        output: options.text("output"),
        batch: options.needNumber("batch", { min: 1, integer: true }),
        threads: options.number("threads", { min: 1, integer: true }),
        provider: options.needText("provider"),
      },
      context,
    ),
} as const satisfies Command;
