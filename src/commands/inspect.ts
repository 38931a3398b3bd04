import { inspect } from "../workflows/index.ts";
import type { Command } from "./command.ts";
import { quantizationOptions, recipeOptions, reportOptions, runOptions, inputOptions } from "./options.ts";
import { readInputShapes } from "./read-inputs.ts";
import { readPlan } from "./read-choices.ts";

const { threads, provider } = runOptions;

export const inspectCommand = {
  name: "inspect",
  positional: { name: "model", describe: "ONNX model to look at" },
  describe: "Show what a model consists of, what would be quantized, what stays float and why",
  options: {
    "input-shape": inputOptions["input-shape"],
    ...quantizationOptions,
    ...recipeOptions,
    threads,
    provider,
    ...reportOptions,
  },
  examples: [{ line: "efqat inspect model.onnx --wbits 4", describe: "the plan for 4-bit weights" }],
  run: (model, options, context) =>
    inspect(
      {
        model,
        inputShapes: readInputShapes(options),
        recipe: options.text("recipe"),
        threads: options.number("threads", { min: 1, integer: true }),
        provider: options.needText("provider"),
        quantization: readPlan(options),
      },
      context,
    ),
} as const satisfies Command;
