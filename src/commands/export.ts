import { exportArtifact } from "../workflows/index.ts";
import type { Command } from "./command.ts";
import {
  dataOptions,
  exportedTarget,
  judgedOptions,
  evaluationBatch,
  int4Options,
  metricForms,
  metricOptions,
  outOptions,
  reportOptions,
  runOptions,
} from "./options.ts";
import { readInt4, readRun } from "./read-choices.ts";
import { readDataSpec, readMetrics } from "./read-data.ts";

export const exportCommand = {
  name: "export",
  positional: { name: "artifact", describe: "trained artifact folder" },
  describe: "Write the deployable quantized model of an artifact, and verify it in ONNX Runtime",
  options: {
    ...dataOptions,
    ...judgedOptions,
    metric: {
      ...metricOptions.metric,
      describe: `What is reported beside: ${metricForms} (default: what the run was judged by)`,
    },
    characters: metricOptions.characters,
    target: exportedTarget,
    ...int4Options,
    ...evaluationBatch,
    ...runOptions,
    ...outOptions,
    ...reportOptions,
  },
  examples: [
    {
      line: "efqat export artifact/ --data fashion-mnist --split test --out quantized.onnx",
      describe: "export and compare with the trained graph on real samples",
    },
  ],
  run: (artifact, options, context) =>
    exportArtifact(
      {
        artifact,
        metric: readMetrics(options, context.metrics),
        ...readRun(options),
        data: readDataSpec(options),
        output: options.text("output"),
        out: options.needText("out"),
        target: options.text("target"),
        int4: readInt4(options),
        batch: options.needNumber("batch", { min: 1, integer: true }),
      },
      context,
    ),
} as const satisfies Command;
