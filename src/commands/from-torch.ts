import { importModel } from "../workflows/index.ts";
import type { Command } from "./command.ts";
import { exporterOption, importOptions, outOptions, reportOptions } from "./options.ts";
import { readExporter, readImport, readInputSpecs } from "./read-import.ts";

export const fromTorchCommand = {
  name: "from-torch",
  positional: {
    name: "module",
    describe:
      "FILE.py:NAME or package.module:NAME, a function without arguments that returns a torch.nn.Module, or (module, example inputs); the file is run by your Python",
  },
  describe:
    "Export a PyTorch network, check the file against PyTorch, and go on with a further command behind --",
  handsOn: true,
  options: {
    input: {
      group: "Export:",
      value: "words",
      describe:
        "Shape and type of each input, [NAME=]1x3x224x224[:TYPE], the batch first; integers of the example are zeros and ones (default: the example inputs that NAME returns)",
    },
    ...importOptions,
    ...exporterOption,
    ...outOptions,
    ...reportOptions,
  },
  examples: [
    {
      line: "efqat from-torch net.py:build --input 1x3x224x224 --out net.onnx",
      describe: "build() returns the network with its weights",
    },
    {
      line: "efqat from-torch torchvision.models:resnet18 --input 1x3x224x224 --out net.onnx -- optimize --data images/ --resize 256 --crop 224 --out net.int8.onnx",
      describe: "and all that follows in the same command",
    },
  ],
  run: (source, options, context) =>
    importModel(
      {
        from: "torch",
        source,
        inputs: readInputSpecs(options),
        exporter: readExporter(options),
        ...readImport(options),
        out: options.needText("out"),
      },
      context,
    ),
} as const satisfies Command;
