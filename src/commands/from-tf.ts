import { importModel } from "../workflows/index.ts";
import type { Command } from "./command.ts";
import { importOptions, outOptions, reportOptions } from "./options.ts";
import { readImport } from "./read-import.ts";

export const fromTfCommand = {
  name: "from-tf",
  positional: { name: "path", describe: "SavedModel folder, or a .keras or .h5 file" },
  describe:
    "Export a TensorFlow model with tf2onnx, check the file against TensorFlow, and go on with a further command behind --",
  handsOn: true,
  options: { ...importOptions, ...outOptions, ...reportOptions },
  examples: [
    { line: "efqat from-tf saved_model/ --out model.onnx", describe: "its serving signature" },
    {
      line: "efqat from-tf model.keras --out model.onnx -- quantize --data samples.npz --out model.int8.onnx",
      describe: "and quantized in the same command",
    },
  ],
  run: (source, options, context) =>
    importModel({ from: "tf", source, ...readImport(options), out: options.needText("out") }, context),
} as const satisfies Command;
