import yargs, { type Argv, type Options } from "yargs";
import { exitCodes, UserError, usageError } from "../errors.ts";
import { version } from "../version.ts";
import { checkArguments } from "../commands/check-arguments.ts";
import type { Command } from "../commands/command.ts";
import { commands } from "../commands/index.ts";
import { didYouMean } from "../commands/nearest-name.ts";
import { OptionReader } from "../commands/option-reader.ts";
import { type OptionSpec, repeatedOptions } from "../commands/options.ts";
import { joinRepeated } from "../commands/read-inputs.ts";
import { userCache } from "./user-cache.ts";

/** What a command line asks for: text to print (help, version), or a command with its options. */
export type Request =
  | { kind: "text"; text: string }
  | {
      kind: "command";
      command: Command;
      path: string;
      more: readonly string[];
      options: OptionReader;
      /** The command behind `--`, whose argument is the file that this one writes. */
      next?: readonly string[];
    };

const exitCodeLines = [
  `${exitCodes.ok}    done`,
  `${exitCodes.internal}    a bug in efqat`,
  `${exitCodes.usage}    wrong options`,
  `${exitCodes.input}    a model or data that cannot be used`,
  `${exitCodes.environment}    something the machine lacks (provider, disk space, permission)`,
  `${exitCodes.verification}    the exported model does not agree with the trained one`,
  `${exitCodes.findings}    jobs of a zoo failed, zoo diff found something worse, or audit --fail-under is not met`,
  `${exitCodes.interrupted}  stopped by Ctrl-C; training can go on with --resume`,
];

const epilogue = `Exit codes:\n  ${exitCodeLines.join("\n  ")}`;

/**
 * Parses a command line. Throws a usage error that names all unknown commands and options, missing and wrong values; `help
 * COMMAND` is `COMMAND --help`.
 */
export async function parseCommandLine(given: readonly string[], columns: number): Promise<Request> {
  const { args, next } = splitNext(given);
  const request = await parseOne(args, columns);
  if (next === undefined || request.kind === "text") return request;
  const { command, options } = request;
  if (next.length === 0)
    throw usageError(
      "next",
      "No command stands behind --",
      undefined,
      `For example: -- optimize --data DATA --out FILE.`,
    );
  const words = [next[0] as string, options.needText("out"), ...next.slice(1)];
  const following = await parseOne(words, columns);
  if (following.kind === "command" && following.command.positional?.name === "model")
    return { ...request, next: words };
  throw usageError(
    "next",
    `"${next[0] ?? ""}" does not go on from the file of ${command.name}`,
    undefined,
    "Put optimize, quantize, inspect or another command on a model behind --.",
  );
}

/** The command behind `--`, where the first one hands on. */
export function splitNext(args: readonly string[]): {
  args: readonly string[];
  next: readonly string[] | undefined;
} {
  const at = args.indexOf("--");
  if (at < 0 || findCommand(args[0])?.handsOn !== true) return { args, next: undefined };
  return { args: args.slice(0, at), next: args.slice(at + 1) };
}

async function parseOne(args: readonly string[], columns: number): Promise<Request> {
  const [name, ...rest] = arrange(args);
  const command = requireCommand(name);
  const checked =
    command === undefined ? arrange(args) : [command.name, ...checkArguments(command, rest, commands)];
  const chosen: { request?: Request; text: string } = { text: "" };
  const choose = (request: Request): void => void (chosen.request = request);
  const parser = createParser(columns, choose);
  const words = joinRepeated(checked, repeatedOptions);
  await parser.parseAsync(words, {}, (error: Error | null | undefined, _argv: unknown, output: string) => {
    if (error != null) throw error;
    chosen.text = output;
  });
  if (chosen.text !== "") return { kind: "text", text: chosen.text };
  return chosen.request ?? { kind: "text", text: await parser.getHelp() };
}

export const findCommand = (name: string | undefined): Command | undefined =>
  commands.find((command) => command.name === name);

const isOption = (word: string): boolean => word.startsWith("-");
const isCommand = (word: string): boolean => commands.some(({ name }) => name === word);

/** The arguments with the command first, wherever it stands; `help` and `-v` as options. */
function arrange(args: readonly string[]): string[] {
  const [first = "", second] = args;
  if (first === "help") return second === undefined ? ["--help"] : [second, "--help"];
  if (first === "-v") return ["--version"];
  const at = args.findIndex(isCommand);
  if (!isOption(first) || at < 0) return [...args];
  return [args[at] as string, ...args.slice(0, at), ...args.slice(at + 1)];
}

/** The command of a name; undefined where the line asks for help or the version alone. */
function requireCommand(name: string | undefined): Command | undefined {
  if (name === undefined || ["--help", "-h", "--version"].includes(name)) return undefined;
  const names = [...commands.map((command) => command.name), "zoo"];
  const found = findCommand(name);
  if (found !== undefined) return found;
  const choices = `Choose ${names.join(", ")}.`;
  if (isOption(name))
    throw usageError("command", "The command is missing", name, `It comes first: efqat COMMAND. ${choices}`);
  const isPath = /[./\\]/.test(name);
  const hint = isPath ? `The command comes first: efqat optimize ${name}. ` : didYouMean(name, names);
  throw usageError("command", `There is no command "${name}"`, undefined, `${hint}${choices}`);
}

/** Words stay as they were typed. */
export const parserSettings = {
  "duplicate-arguments-array": false,
  "boolean-negation": false,
  "camel-case-expansion": false,
  "parse-numbers": false,
  "parse-positional-numbers": false,
} as const;

function createParser(columns: number, choose: (request: Request) => void): Argv {
  const parser = yargs()
    .scriptName("efqat")
    .usage("$0 COMMAND\n\nQuantize ONNX models and train back the accuracy they lost.")
    .parserConfiguration(parserSettings)
    .version(version)
    .alias({ help: "h" })
    .strict()
    .exitProcess(false)
    .wrap(columns)
    .locale("en")
    .epilogue(epilogue)
    .fail((message: string | null, error: Error | undefined) => {
      throw error instanceof UserError ? error : wrongUsage(message ?? error?.message ?? "");
    });
  for (const command of commands) addCommand(parser, command, choose);
  // Its command lines are read by zoo/line.ts.
  parser.command("zoo", "Work on many models: efqat zoo --help");
  return parser;
}

function addCommand(parser: Argv, command: Command, choose: (request: Request) => void): void {
  const { name, positional, describe } = command;
  parser.command(
    positional === undefined ? name : `${name} <${positional.name}>${furtherOf(positional)}`,
    describe,
    (builder: Argv) => {
      if (positional !== undefined)
        builder.positional(positional.name, { describe: positional.describe, type: "string" });
      for (const [option, spec] of Object.entries(command.options))
        builder.option(option, declareOption(spec));
      for (const { line, describe: what } of command.examples) builder.example(line, what);
      return builder.epilogue(epilogue);
    },
    (argv) => {
      const words = argv as Record<string, unknown>;
      const path = String(words[positional?.name ?? ""]);
      const further = words[positional?.then ?? "more"];
      const more = Array.isArray(further)
        ? further.map(String)
        : typeof further === "string"
          ? [further]
          : [];
      const cache = command.options["cache"] === undefined ? {} : { cache: argv["cache"] ?? userCache() };
      const python = argv["python"] ?? process.env["EFQAT_PYTHON"];
      const found = command.options["python"] === undefined ? {} : { python };
      const options = new OptionReader({ ...argv, ...cache, ...found });
      choose({ kind: "command", command, path, more, options });
    },
  );
}

/** Positional arguments behind the first, in the parser's words. */
const furtherOf = ({ severalWith, then }: NonNullable<Command["positional"]>): string =>
  then !== undefined ? ` [${then}]` : severalWith === undefined ? "" : " [more..]";

export function declareOption(spec: OptionSpec): Options {
  const { describe, group, choices, flag, required, alias } = spec;
  if (flag) return { describe, group, type: "boolean", default: false, defaultDescription: "no" };
  return {
    describe,
    group,
    type: "string",
    requiresArg: true,
    ...(alias === undefined ? {} : { alias }),
    ...(choices === undefined ? {} : { choices }),
    ...(spec.default === undefined ? {} : { default: spec.default }),
    ...(required === true ? { demandOption: true } : {}),
  };
}

function wrongUsage(message: string): UserError {
  const what = message
    .trim()
    .replace(/\s*\n\s*/g, " ")
    .replace(/\.$/, "");
  return usageError(
    "command-line",
    what === "" ? "The command line is wrong" : what,
    undefined,
    "See efqat --help.",
  );
}
