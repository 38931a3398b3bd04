import { encodingsFormats, exportEncodings } from "../workflows/index.ts";
import type { Command } from "./command.ts";
import { outOptions, reportOptions } from "./options.ts";

export const encodingsCommand = {
  name: "encodings",
  positional: { name: "model", describe: "quantized ONNX model (QDQ), by any tool" },
  describe: "Write the scales and offsets of a quantized model for another tool",
  options: {
    format: {
      group: "Output:",
      describe:
        "aimet-0.6.1 (also what the QNN and SNPE converters take as overrides), aimet-1.0.0, or onnxruntime: a calibration.json of onnxruntime.quantization, of values alone",
      choices: encodingsFormats,
      default: "aimet-0.6.1",
    },
    ...outOptions,
    ...reportOptions,
  },
  examples: [
    {
      line: "efqat encodings model.int8.onnx --out model.encodings",
      describe: "for qnn-onnx-converter --quantization_overrides",
    },
    {
      line: "efqat encodings model.int8.onnx --format onnxruntime --out calibration.json",
      describe: "for onnxruntime.quantization.calibrate.load_tensors_data",
    },
  ],
  run: (model, options, context) =>
    exportEncodings(
      { model, out: options.needText("out"), format: options.choice("format", encodingsFormats) },
      context,
    ),
} as const satisfies Command;
