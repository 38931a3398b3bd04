import { inspect } from "../../workflows/index.ts";
import type { Command } from "../command.ts";
import { quantizationOptions, reportOptions, runOptions } from "../options.ts";
import { readPlan } from "../read-choices.ts";

const { threads, provider } = runOptions;

export const inspectCommand: Command = {
  name: "inspect",
  positional: { name: "model", describe: "ONNX model to look at" },
  describe: "Show what a model consists of, what would be quantized, what stays float and why",
  options: { ...quantizationOptions, threads, provider, ...reportOptions },
  examples: [{ line: "efqat inspect model.onnx --wbits 4", describe: "the plan for 4-bit weights" }],
  run: (model, options, context) =>
    inspect(
      {
        model,
        threads: options.number("threads", { min: 1, integer: true }),
        provider: options.needText("provider"),
        quantization: readPlan(options),
      },
      context,
    ),
};
