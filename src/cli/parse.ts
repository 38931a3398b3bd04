import yargs, { type Argv, type Options } from "yargs";
import { exitCodes, UserError, usageError } from "../errors.ts";
import { version } from "../version.ts";
import type { Command } from "./command.ts";
import { commands } from "./commands/index.ts";
import { OptionReader } from "./option-reader.ts";
import { inputOptions, type OptionSpec } from "./options.ts";
import { joinRepeated } from "./read-inputs.ts";

/** What a command line asks for: text to print (help, version), or a command with its options. */
export type Request =
  { kind: "text"; text: string } | { kind: "command"; command: Command; path: string; options: OptionReader };

const exitCodeLines = [
  `${exitCodes.ok}    done`,
  `${exitCodes.internal}    a bug in efqat`,
  `${exitCodes.usage}    wrong options`,
  `${exitCodes.input}    a model or data that cannot be used`,
  `${exitCodes.environment}    something the machine lacks (provider, disk space, permission)`,
  `${exitCodes.verification}    the exported model does not agree with the trained one`,
  `${exitCodes.interrupted}  stopped by Ctrl-C; training can go on with --resume`,
];

const epilogue = `Exit codes:\n  ${exitCodeLines.join("\n  ")}`;

/** Parses a command line. Throws a usage error for unknown commands and options, missing and wrong values. */
export async function parseCommandLine(args: readonly string[], columns: number): Promise<Request> {
  requireCommand(args[0]);
  const chosen: { request?: Request; text: string } = { text: "" };
  const choose = (request: Request): void => void (chosen.request = request);
  const parser = createParser(columns, choose);
  await parser.parseAsync(
    joinRepeated(args, Object.keys(inputOptions)),
    {},
    (error: Error | null | undefined, _argv: unknown, output: string) => {
      if (error != null) throw error;
      chosen.text = output;
    },
  );
  if (chosen.text !== "") return { kind: "text", text: chosen.text };
  return chosen.request ?? { kind: "text", text: await parser.getHelp() };
}

export const findCommand = (name: string | undefined): Command | undefined =>
  commands.find((command) => command.name === name);

function requireCommand(name: string | undefined): void {
  if (name === undefined || name.startsWith("-") || findCommand(name) !== undefined) return;
  const names = commands.map((command) => command.name).join(", ");
  throw usageError("command", `There is no command "${name}"`, undefined, `Choose ${names}.`);
}

function createParser(columns: number, choose: (request: Request) => void): Argv {
  const parser = yargs()
    .scriptName("efqat")
    .usage("$0 COMMAND\n\nQuantize ONNX models and train back the accuracy they lost.")
    .parserConfiguration({
      "duplicate-arguments-array": false,
      "boolean-negation": false,
      "camel-case-expansion": false,
      "parse-numbers": false,
      "parse-positional-numbers": false,
    })
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
  return parser;
}

function addCommand(parser: Argv, command: Command, choose: (request: Request) => void): void {
  const { name, positional, describe } = command;
  parser.command(
    `${name} <${positional.name}>`,
    describe,
    (builder: Argv) => {
      builder.positional(positional.name, { describe: positional.describe, type: "string" });
      for (const [option, spec] of Object.entries(command.options)) builder.option(option, declare(spec));
      for (const { line, describe: what } of command.examples) builder.example(line, what);
      return builder.epilogue(epilogue);
    },
    (argv) => {
      const path = String((argv as Record<string, unknown>)[positional.name]);
      choose({ kind: "command", command, path, options: new OptionReader(argv) });
    },
  );
}

function declare(spec: OptionSpec): Options {
  const { describe, group, choices, flag, required } = spec;
  if (flag) return { describe, group, type: "boolean", default: false, defaultDescription: "no" };
  return {
    describe,
    group,
    type: "string",
    requiresArg: true,
    ...(choices === undefined ? {} : { choices }),
    ...(spec.default === undefined ? {} : { default: spec.default }),
    ...(required ? { demandOption: true } : {}),
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
