import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { makeFolder } from "../atomic-file.ts";
import { describeWay, importModel as importFrom } from "../importers/import-model.ts";
import { saveModel } from "../onnx/index.ts";
import type { Report } from "../report/report-data.ts";
import { commandPaths } from "./command-paths.ts";
import { type RunContext, withClaim } from "./context.ts";
import type { ImportOptions } from "./options.ts";
import { readSource } from "./read-source.ts";
import { startReport } from "./start-report.ts";

const commandOf = { torch: "from-torch", hf: "from-hf", tf: "from-tf" } as const;

/** Exports a model in the user's Python, checks it in ONNX Runtime against the framework, and writes it. */
export async function importModel(options: ImportOptions, context: RunContext): Promise<Report> {
  const paths = await commandPaths.import(options);
  const command = commandOf[options.from];
  return withClaim(`efqat ${command}`, paths, context, async (claim) => {
    await claim.addReads([]);
    const start = performance.now();
    const { from, source, out } = options;
    context.logger.info(`Exporting ${source}.`);
    return importFrom(options, context, async (imported) => {
      await makeFolder(dirname(out));
      await saveModel(imported.model, out);
      const written = await readSource(out);
      const { architecture, versions, failures, outputs, notes, attempt, openAxes } = imported;
      const suggested = from === "hf" ? filesFor(source) : {};
      return {
        ...startReport(command, options, written, start),
        imported: {
          from,
          source,
          versions,
          failures,
          outputs,
          suggested,
          exporter: describeWay(attempt).replace(/^The/, "the"),
          open: openAxes,
          ...(architecture === undefined ? {} : { architecture }),
          next: nextCommand(out, suggested),
        },
        warnings: [...notes, ...batchWarnings(options, imported.inputs, openAxes)],
      };
    });
  });
}

/** Files beside a model's weights that its data are to be read with, by option. */
function filesFor(folder: string): Record<string, string> {
  const files = { tokenizer: "tokenizer.json", preprocess: "preprocessor_config.json" };
  const there = Object.entries(files).map(([option, name]) => [option, join(folder, name)] as const);
  return Object.fromEntries(there.filter(([, path]) => existsSync(path)));
}

const nextCommand = (out: string, suggested: Readonly<Record<string, string>>): string =>
  [
    `efqat optimize ${out} --data DATA`,
    ...Object.entries(suggested).map(([option, path]) => `--${option} ${path}`),
    `--out ${out.replace(/(\.onnx)?$/, ".int8.onnx")}`,
  ].join(" ");

function batchWarnings(
  { fixedBatch }: ImportOptions,
  inputs: readonly string[],
  open: Readonly<Record<string, readonly number[]>>,
): string[] {
  if (fixedBatch || inputs.some((name) => open[name]?.includes(0) === true)) return [];
  return ["The batch is fixed to the example's: no exporter gave a right file with an open batch."];
}
