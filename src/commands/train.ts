import { trainArtifact } from "../workflows/index.ts";
import type { Command } from "./command.ts";
import {
  askedFreezingOptions,
  dataOptions,
  hyperOptions,
  metricOptions,
  rateOptions,
  reportOptions,
  runOptions,
  trainOptions,
} from "./options.ts";
import { readAskedFreezing, readHyper, readRun, readCourse } from "./read-choices.ts";
import { readMetrics, readDataSpec } from "./read-data.ts";

export const trainCommand = {
  name: "train",
  positional: { name: "artifact", describe: "folder made by efqat artifact" },
  describe: "Train an artifact with EfQAT; what is found lies in its folder `run`, for efqat export",
  options: {
    ...dataOptions,
    ...metricOptions,
    ...askedFreezingOptions,
    ...rateOptions,
    ...hyperOptions,
    ...trainOptions,
    ...runOptions,
    ...reportOptions,
  },
  examples: [
    { line: "efqat train artifact/ --data fashion-mnist --ratio 0.1", describe: "train a tenth of the rows" },
    { line: "efqat train artifact/ --data fashion-mnist --resume", describe: "go on after Ctrl-C" },
  ],
  run: (artifact, options, context) =>
    trainArtifact(
      {
        artifact,
        ...readRun(options),
        data: readDataSpec(options),
        metric: readMetrics(options, context.metrics),
        training: { ...readAskedFreezing(options), ...readCourse(options), hyper: readHyper(options) },
        resume: options.flag("resume"),
        restart: options.flag("restart"),
        tensorboard: options.text("tensorboard"),
      },
      context,
    ),
} as const satisfies Command;
