import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { environmentError, InternalError, modelError, type UserError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { printable } from "../printable.ts";
import { collectOutput } from "../runtime/collect-output.ts";
import { type Exported, type PythonResult, pythonResultSchema } from "./python-result.ts";

/** Last characters of what a script prints that are kept. */
const keptOutput = 20_000;

export interface PythonScript {
  /** A script of /python, by its module's name. */
  script: string;
  /** What it is asked; `folder` is where it writes. */
  task: { folder: string } & Record<string, unknown>;
  /** Interpreter that was asked for. */
  python: string | undefined;
}

export interface RunContext {
  logger: Logger;
  signal: AbortSignal;
}

/** What scripts run with: no network for models, and nothing written beside the user's files. */
const environment = {
  HF_HUB_OFFLINE: "1",
  TRANSFORMERS_OFFLINE: "1",
  HF_HUB_DISABLE_TELEMETRY: "1",
  PYTHONDONTWRITEBYTECODE: "1",
  PYTHONIOENCODING: "utf-8",
  TF_CPP_MIN_LOG_LEVEL: "2",
};

/**
 * Runs a script in the user's Python and returns what it tells. Throws environment/python without an interpreter,
 * environment/python-package for a missing package, and what else the script found wrong.
 */
export async function runPython(
  { script, task, python }: PythonScript,
  { logger, signal }: RunContext,
): Promise<Exported> {
  await writeFile(join(task.folder, "task.json"), JSON.stringify({ ...task, script }));
  const interpreter = await findPython(python);
  logger.debug(`Running python/${script}.py in ${interpreter}.`);
  const child = execa(interpreter, [scriptPath("efqat_main.py"), join(task.folder, "task.json")], {
    env: environment,
    reject: false,
    buffer: false,
    stdin: "ignore",
    cancelSignal: signal,
    forceKillAfterDelay: 2000,
  });
  const printed = collectOutput([child.stdout, child.stderr], keptOutput);
  const output = await child;
  signal.throwIfAborted();
  const said = printable(printed());
  if (said !== "") logger.debug(said);
  const result = await readResult(task.folder);
  if (result === undefined) throw pythonDied(interpreter, output, said);
  if (!result.ok) throw refusalOf(result, interpreter);
  return result;
}

/** The interpreter that was asked for, else the first of the usual names that starts. */
export async function findPython(asked: string | undefined): Promise<string> {
  const names = asked === undefined ? ["python3", "python"] : [asked];
  for (const name of names) {
    const { failed } = await execa(name, ["-c", "pass"], { reject: false, stdin: "ignore" });
    if (!failed) return name;
  }
  throw environmentError(
    "python",
    asked === undefined ? "There is no python3 on this machine" : "This Python cannot be started",
    asked,
    "Install Python with torch and onnx, and name it with --python PATH or EFQAT_PYTHON.",
  );
}

/** Scripts lie beside src/ in the sources, and beside dist/ in the package. */
function scriptPath(name: string): string {
  const places = ["../../python/", "../../../python/"].map((place) =>
    fileURLToPath(new URL(place + name, import.meta.url)),
  );
  const found = places.find((path) => existsSync(path));
  if (found === undefined) throw new InternalError(`python/${name} is missing`);
  return found;
}

async function readResult(folder: string): Promise<PythonResult | undefined> {
  const text = await readFile(join(folder, "result.json"), "utf8").catch(() => undefined);
  return text === undefined ? undefined : pythonResultSchema.parse(JSON.parse(text));
}

function pythonDied(
  interpreter: string,
  { exitCode, signal }: { exitCode?: number | undefined; signal?: string | undefined },
  said: string,
): UserError {
  const end = signal === undefined ? `ended with code ${exitCode ?? "?"}` : `was ended by ${signal}`;
  const last = printable(said.split(/\r?\n/).at(-1) ?? "");
  return environmentError(
    "python-died",
    `Python ${end} in the middle of the export${last === "" ? "" : `: ${last}`}`,
    interpreter,
    signal === "SIGKILL"
      ? "It may have run out of memory."
      : "Run again with --verbose to see what it printed.",
  );
}

/** Packages that come together, as pip calls them. */
const installs: Readonly<Record<string, string>> = {
  torch: "torch onnx onnxscript",
  onnx: "onnx onnxscript",
  transformers: "transformers torch onnx onnxscript",
  tensorflow: "tensorflow tf2onnx",
  tf2onnx: "tf2onnx",
};

function refusalOf(result: Extract<PythonResult, { ok: false }>, interpreter: string): UserError {
  const { kind, what, hint, where } = result;
  const place = where === "" ? undefined : where;
  if (kind === "package") {
    const { package: name = "" } = result;
    const remedy = `Install it: ${interpreter} -m pip install ${installs[name] ?? name}; or name another Python with --python or EFQAT_PYTHON.`;
    return environmentError("python-package", what, place, remedy);
  }
  return modelError(`python-${kind}`, what, place, hint === "" ? undefined : hint);
}
