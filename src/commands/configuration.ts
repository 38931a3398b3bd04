import { readFileSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { parseDocument } from "yaml";
import { usageError, UserError } from "../errors.ts";
import { checkArguments } from "./check-arguments.ts";
import type { Command } from "./command.ts";
import { optionName, requestWords } from "./request-words.ts";

/** Options of one run as a file holds them. */
export interface Configuration {
  command: Command;
  /** The command's argument, relative to the file's folder. */
  path: string | undefined;
  /** The options as words of a command line. */
  words: string[];
}

/** Bytes that a configuration may have. */
const largest = 1e6;

/**
 * Reads a configuration: `command`, the command's argument (`model` or `artifact`), and options by name. `asked`: the
 * command of the command line, which must be the file's where both are given. Paths are relative to the file's folder.
 */
export function readConfiguration(
  file: string,
  asked: Command | undefined,
  commands: readonly Command[],
): Configuration {
  const { command: named, ...rest } = parseFile(file);
  const command = chooseCommand(file, named, asked, commands);
  const argument = command.positional?.name ?? "";
  const { [argument]: path, ...options } = rest;
  try {
    const words = requestWords(resolvePaths(options, command, dirname(file)), command.options);
    const known = checkArguments(
      { ...command, positional: undefined, options: withoutRequired(command) },
      words,
      commands,
    );
    if (path !== undefined && typeof path !== "string")
      throw usageError(
        argument,
        `The ${argument} is ${typeof path}, not a path`,
        file,
        "Give the path as text.",
      );
    return { command, path: path === undefined ? undefined : resolve(dirname(file), path), words: known };
  } catch (error) {
    throw error instanceof UserError ? inFile(error, file) : error;
  }
}

function parseFile(file: string): Record<string, unknown> {
  const document = parseDocument(readText(file), { prettyErrors: true });
  const [error] = document.errors;
  if (error !== undefined)
    throw usageError("config", `The configuration is neither YAML nor JSON: ${error.message.trim()}`, file);
  const value = readValue(document, file);
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw usageError(
    "config",
    "The configuration holds no options by name",
    file,
    "Write lines such as wbits: 4.",
  );
}

function readValue(document: ReturnType<typeof parseDocument>, file: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw usageError("config", `The configuration cannot be read: ${why}`, file, "Write values out.");
  }
}

function readText(file: string): string {
  try {
    const { size } = statSync(file);
    if (size <= largest) return readFileSync(file, "utf8");
    const what = `The configuration has ${size} bytes, more than ${largest}`;
    throw usageError("config", what, file, "Give a file of options, as efqat init writes it.");
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw usageError(
      "config",
      "The configuration cannot be read",
      file,
      "Check the path and its permissions.",
    );
  }
}

function chooseCommand(
  file: string,
  named: unknown,
  asked: Command | undefined,
  commands: readonly Command[],
): Command {
  const names = commands.map(({ name }) => name).join(", ");
  const found = commands.find(({ name }) => name === named);
  if (named !== undefined && found === undefined)
    throw usageError("command", `There is no command ${JSON.stringify(named)}`, file, `Choose ${names}.`);
  const command = asked ?? found;
  if (command === undefined)
    throw usageError(
      "command",
      "The configuration names no command",
      file,
      "Write command: optimize into it.",
    );
  if (found === undefined || found === command) return command;
  const what = `The configuration is for efqat ${found.name}, not for efqat ${command.name}`;
  throw usageError("command", what, file, `Leave "command" out of it, or run efqat ${found.name}.`);
}

/** Options that are paths, relative to the folder of the file that holds them. */
function resolvePaths(
  options: Readonly<Record<string, unknown>>,
  command: Command,
  folder: string,
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(options).map(([key, value]) => [key, resolveValue(key, value, command, folder)]),
  );
}

function resolveValue(key: string, value: unknown, command: Command, folder: string): unknown {
  if (key === "data" && typeof value === "object" && value !== null) {
    const { path, ...rest } = value as Record<string, unknown>;
    return {
      path: typeof path === "string" ? resolve(folder, path) : path,
      ...resolvePaths(rest, command, folder),
    };
  }
  const name = optionName(key);
  const kind = Object.hasOwn(command.options, name) ? command.options[name]?.value : undefined;
  const isPath = kind === "path" || (kind === "measure" && typeof value === "string" && isMeasureFile(value));
  return isPath && typeof value === "string" && value !== "none" ? resolve(folder, value) : value;
}

/** Losses and metrics that are files. */
const isMeasureFile = (value: string): boolean => /\.(onnx|js|mjs)(:\w+)?$/i.test(value);

const withoutRequired = ({ options }: Command): Command["options"] =>
  Object.fromEntries(Object.entries(options).map(([name, { required: _, ...spec }]) => [name, spec]));

/** An error that says in which file it lies. */
const inFile = (error: UserError, file: string): UserError =>
  new UserError(error.code, error.kind, error.message, {
    where: error.where === undefined || error.where === file ? file : `${error.where} in ${file}`,
    hint: error.hint,
    cause: error,
  });
