import { importModel } from "../workflows/index.ts";
import type { Command } from "./command.ts";
import { exporterOption, importOptions, outOptions, reportOptions } from "./options.ts";
import { readExporter, readImport } from "./read-import.ts";

const tasks = [
  "auto",
  "features",
  "sequence-classification",
  "token-classification",
  "question-answering",
  "masked-lm",
  "image-classification",
  "semantic-segmentation",
  "object-detection",
  "audio-classification",
] as const;

export const fromHfCommand = {
  name: "from-hf",
  positional: {
    name: "directory",
    describe:
      "local folder of a Hugging Face model: config.json, weights, and mostly a tokenizer or preprocessor",
  },
  describe:
    "Export a Hugging Face model from its folder, check the file against PyTorch, and go on with a further command behind --",
  handsOn: true,
  options: {
    task: {
      group: "Export:",
      describe: "What the model is loaded for (auto: what its configuration names)",
      choices: tasks,
      default: "auto",
    },
    tokens: { group: "Export:", value: "number", describe: "Tokens of the example text (default: 16)" },
    ...importOptions,
    ...exporterOption,
    ...outOptions,
    ...reportOptions,
  },
  examples: [
    {
      line: "efqat from-hf bert/ --out bert.onnx",
      describe: "tells the tokenizer or the preprocessing to give with the data",
    },
    {
      line: "efqat from-hf bert/ --out bert.onnx -- optimize --data texts.txt --labels none --out bert.int8.onnx",
      describe: "and all that follows; the folder's tokenizer is taken along",
    },
  ],
  run: (source, options, context) =>
    importModel(
      {
        from: "hf",
        source,
        task: options.choice("task", tasks),
        tokens: options.number("tokens", { min: 2, max: 2 ** 20, integer: true }),
        exporter: readExporter(options),
        ...readImport(options),
        out: options.needText("out"),
      },
      context,
    ),
} as const satisfies Command;
