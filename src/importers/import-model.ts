import { existsSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { modelError, UserError, usageError } from "../errors.ts";
import type { Model } from "../ir/model.ts";
import { loadModel } from "../onnx/index.ts";
import { withTemporaryDirectory } from "../runtime/temporary-directory.ts";
import { checkNumbers, type OutputCheck } from "./check-numbers.ts";
import type { ImportTask } from "./import-task.ts";
import { nameDimensions } from "./name-dimensions.ts";
import type { Exported } from "./python-result.ts";
import { type RunContext, runPython } from "./run-python.ts";

/** A model as a framework's exporter wrote it, found to compute the same in ONNX Runtime. */
export interface Imported extends Pick<Exported, "attempt" | "versions" | "notes" | "inputs" | "openAxes"> {
  model: Model;
  outputs: OutputCheck[];
  architecture: string | undefined;
  /** Ways of exporting that failed before, and why. */
  failures: { attempt: string; what: string }[];
}

/** More ways to export than there are. */
const mostAttempts = 8;

/**
 * Exports a model in the user's Python, in the first way whose file computes in ONNX Runtime what the framework computes, and
 * hands it to `work` while its weights lie where it reads them from.
 */
export async function importModel<T>(
  task: ImportTask,
  context: RunContext,
  work: (imported: Imported) => Promise<T>,
): Promise<T> {
  checkSource(task);
  const failures: Imported["failures"] = [];
  for (let attempt = 0; attempt < mostAttempts; attempt++) {
    const done = await withTemporaryDirectory(async (folder) => {
      const skip = failures.map((failure) => failure.attempt);
      const exported = await runPython(scriptOf(task, folder, skip), context).catch((error: unknown) => {
        throw withEarlier(error, failures);
      });
      const model = nameDimensions(await loadModel(join(folder, "model.onnx")), exported.openAxes);
      const check = await checkNumbers(model, folder, exported);
      failures.push(...exported.failures);
      for (const { attempt: way, what } of exported.failures)
        context.logger.info(`${describeWay(way)} failed: ${what}`);
      if (check.agrees) {
        const { attempt: way, versions, notes, inputs, openAxes, architecture } = exported;
        const more = { versions, notes, inputs, openAxes, architecture, failures };
        return { result: await work({ model, attempt: way, outputs: check.outputs, ...more }) };
      }
      failures.push({ attempt: exported.attempt, what: `in ONNX Runtime, ${check.why}` });
      context.logger.info(
        `${describeWay(exported.attempt)} gives a file that is not the model: ${check.why}.`,
      );
      return undefined;
    });
    if (done !== undefined) return done.result;
  }
  throw modelError(
    "python-export",
    "No exporter gives a file that computes what the model does",
    task.source,
  );
}

/** That no way is left, with why files of earlier ways were of no use. */
function withEarlier(error: unknown, failures: Imported["failures"]): unknown {
  if (!(error instanceof UserError) || error.code !== "model/python-export" || failures.length === 0)
    return error;
  const earlier = failures.map(({ attempt, what }) => `${attempt}: ${what}`).join("; ");
  return modelError("python-export", `${error.message} ${earlier}`, error.where, error.hint);
}

/** "dynamo-open" in words. */
export function describeWay(way: string): string {
  const [exporter, kept] = way.split("-");
  const names: Readonly<Record<string, string>> = {
    dynamo: "The newer exporter (dynamo=True)",
    torchscript: "The older exporter (dynamo=False)",
    tf2onnx: "tf2onnx",
  };
  return `${names[exporter ?? ""] ?? exporter ?? way}${kept === "fixed" ? " with the example's sizes" : ""}`;
}

const scripts = { torch: "efqat_torch", hf: "efqat_hf", tf: "efqat_tf" } as const;

function scriptOf(
  task: ImportTask,
  folder: string,
  skip: readonly string[],
): Parameters<typeof runPython>[0] {
  const { from, source, python, ...rest } = task;
  const script = scripts[from];
  if (from !== "torch")
    return { script, python, task: { ...rest, folder, skip, directory: resolve(source) } };
  const { module, name } = splitSource(source);
  const path = module.endsWith(".py") ? resolve(module) : module;
  const home = module.endsWith(".py") ? dirname(path) : process.cwd();
  return { script, python, task: { ...rest, folder, skip, module: path, name, home } };
}

/** "net.py:build" in its parts; drive letters of Windows have a colon too. */
export function splitSource(source: string): { module: string; name: string } {
  const at = source.lastIndexOf(":");
  return at > 1 && /^[\w.]+$/.test(source.slice(at + 1))
    ? { module: source.slice(0, at), name: source.slice(at + 1) }
    : { module: source, name: "" };
}

/** What a source cannot be is told before Python starts. */
function checkSource({ from, source }: ImportTask): void {
  if (from === "torch") return checkModule(source);
  if (!existsSync(source)) throw missingSource(from, source);
  if (from === "hf" && !existsSync(join(source, "config.json")))
    throw modelError(
      "python-folder",
      statSync(source).isDirectory() ? "The folder holds no config.json" : "It is no folder",
      source,
      "Give the folder that holds config.json and the weights (model.safetensors).",
    );
}

function missingSource(from: "hf" | "tf", source: string): Error {
  const isName = from === "hf" && /^[\w.-]+(\/[\w.-]+)?$/.test(source);
  const fetch = `hf download ${source} --local-dir ${source.split("/").at(-1) ?? ""}`;
  return modelError(
    "not-found",
    from === "hf" ? "There is no such folder" : "There is no such SavedModel folder or Keras file",
    source,
    isName ? `A model of the Hugging Face hub is downloaded first: ${fetch}` : "Check the path.",
  );
}

function checkModule(source: string): void {
  const { module, name } = splitSource(source);
  if (/\.(pth?|ckpt|bin|safetensors)$/i.test(source))
    throw usageError(
      "module",
      "A file of weights holds no network",
      source,
      "Give a Python file with a function that builds the network and loads them: efqat from-torch net.py:build.",
    );
  if (name === "" || module === "")
    throw usageError(
      "module",
      "The function that builds the network is missing",
      source,
      `Write FILE:NAME, for example ${module === "" ? "net.py" : module}:build.`,
    );
  if (module.endsWith(".py") && !existsSync(module))
    throw modelError("not-found", "There is no such Python file", module, "Check the path.");
}
