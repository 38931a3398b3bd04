import { lookAtData } from "../workflows/index.ts";
import type { Command } from "./command.ts";
import { dataOptions, inputOptions, lookOptions, reportOptions } from "./options.ts";
import { readDataSpec } from "./read-data.ts";
import { readInputShapes } from "./read-inputs.ts";

const { data: _, ...preprocessing } = dataOptions;

export const dataCommand = {
  name: "data",
  positional: {
    name: "path",
    describe:
      "Samples, as --data of the other commands takes them; MODEL: the ONNX model that they shall feed",
    then: "model",
  },
  describe: "Show what data are taken for: samples, shapes, ranges, classes and which column feeds what",
  options: {
    ...preprocessing,
    "input-shape": inputOptions["input-shape"],
    ...lookOptions,
    ...reportOptions,
  },
  examples: [
    { line: "efqat data iris.csv", describe: "columns, ranges and classes" },
    {
      line: "efqat data images/ model.onnx --resize 256 --crop 224 --sheet sheet.png",
      describe: "pictures as the model is fed with them",
    },
  ],
  run: (path, options, context, [model]) =>
    lookAtData(
      {
        model,
        inputShapes: readInputShapes(options),
        data: readDataSpec(options, path),
        samples: options.needNumber("samples", { min: 1, integer: true }),
        sheet: options.text("sheet"),
      },
      context,
    ),
} as const satisfies Command;
