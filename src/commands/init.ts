import { basename, dirname, relative, resolve } from "node:path";
import { existsSync } from "node:fs";
import { usageError } from "../errors.ts";
import { inspect, writeText } from "../workflows/index.ts";
import { silentLogger } from "../log.ts";
import type { Command } from "./command.ts";
import { optimizeCommand } from "./optimize.ts";
import { renderConfiguration } from "./render-configuration.ts";
import { readPlan, readRun } from "./read-choices.ts";
import { settleTarget } from "./settle-target.ts";
import { OptionReader } from "./option-reader.ts";
import { quantizationOptions, runOptions } from "./options.ts";

const defaults = Object.fromEntries(
  Object.entries({ ...quantizationOptions, ...runOptions }).map(([name, spec]) => [
    name,
    "default" in spec ? spec.default : undefined,
  ]),
);

export const initCommand = {
  name: "init",
  positional: { name: "model", describe: "ONNX model that the configuration is for" },
  describe: "Write a commented configuration for efqat optimize, to be run with --config",
  options: {
    out: { value: "path", describe: "File to write", group: "Output:", default: "efqat.yaml" },
  },
  examples: [
    { line: "efqat init model.onnx", describe: "then edit efqat.yaml" },
    { line: "efqat optimize --config efqat.yaml", describe: "and run it" },
  ],
  print: writeConfiguration,
  run: () => Promise.reject(new Error("the command only prints")),
} as const satisfies Command;

/** Writes the configuration of a model that can be read; never over a file. */
async function writeConfiguration(model: string, options: OptionReader): Promise<string> {
  const out = options.needText("out");
  if (existsSync(out))
    throw usageError("out", "The file exists, and may hold what somebody chose", out, "Give another --out.");
  const reader = await settleTarget(new OptionReader(defaults), silentLogger);
  const context = { logger: silentLogger, signal: new AbortController().signal };
  const report = await inspect({ model, ...readRun(reader), quantization: readPlan(reader) }, context);
  const path = relative(dirname(resolve(out)), resolve(model));
  await writeText(
    out,
    renderConfiguration(optimizeCommand, { path, name: basename(model, ".onnx"), report }),
  );
  return `Wrote ${out}. Give it data, then: efqat optimize --config ${out}`;
}
