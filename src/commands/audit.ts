import { audit } from "../workflows/index.ts";
import type { Command } from "./command.ts";
import {
  auditOptions,
  dataOptions,
  inputOptions,
  reportOptions,
  runOptions,
  targetOptions,
} from "./options.ts";
import { readInputShapes, readSetInputs } from "./read-inputs.ts";
import { readDataSpec } from "./read-data.ts";

const { threads, provider } = runOptions;
const { data, ...preprocessing } = dataOptions;

export const auditCommand = {
  name: "audit",
  positional: { name: "model", describe: "ONNX model to look at, quantized by any tool" },
  describe: "Show what of a quantized model runs on integer kernels, and why the rest does not",
  options: {
    data: {
      value: data.value,
      group: data.group,
      describe: "Samples to measure latency on (default: made-up inputs)",
    },
    ...preprocessing,
    "input-shape": inputOptions["input-shape"],
    reference: { group: data.group, describe: "Float model to measure latency beside" },
    ...targetOptions,
    ...auditOptions,
    threads,
    provider,
    ...reportOptions,
  },
  examples: [
    {
      line: "efqat audit quantized.onnx --fail-under 0.9",
      describe: "exit code 6 where less than 90 % of the multiply-accumulates run on integers",
    },
    {
      line: "efqat audit quantized.onnx --reference model.onnx --threads 1",
      describe: "and how much faster that is than the float model",
    },
  ],
  run: (model, options, context) =>
    audit(
      {
        model,
        inputShapes: readInputShapes(options),
        target: options.needText("target"),
        reference: options.text("reference"),
        data: options.text("data") === undefined ? undefined : readDataSpec(options),
        set: readSetInputs(options),
        failUnder: options.number("fail-under", { min: 0, max: 1 }),
        threads: options.number("threads", { min: 1, integer: true }),
        provider: options.needText("provider"),
      },
      context,
    ),
} as const satisfies Command;
