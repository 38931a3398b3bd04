import yargs, { type Argv } from "yargs";
import { exitCodes, UserError, usageError } from "../../errors.ts";
import { checkArguments } from "../../commands/check-arguments.ts";
import { createLogger } from "../logger.ts";
import { didYouMean } from "../../commands/nearest-name.ts";
import { OptionReader } from "../../commands/option-reader.ts";
import { declareOption, parserSettings } from "../parse.ts";
import type { Terminal } from "../run.ts";
import { describeError } from "../show-error.ts";
import { diffTask } from "./compare.ts";
import { initTask } from "./init.ts";
import { mergeTask, reportTask } from "./report.ts";
import { runTask } from "./run.ts";
import { workerTask } from "./worker.ts";
import type { ZooCommand } from "./zoo-command.ts";

/** All tasks of `efqat zoo`, in the order of the help. */
export const zooCommands: readonly ZooCommand[] = [
  initTask,
  runTask,
  reportTask,
  diffTask,
  mergeTask,
  workerTask,
];

/** Runs what stands behind `efqat zoo`. Returns the exit code; never throws. */
export async function runZooLine(args: readonly string[], terminal: Terminal): Promise<number> {
  const { stdout, stderr, signal } = terminal;
  const stack = terminal.stack || args.includes("--stack");
  const columns = Math.min(stdout.columns ?? 100, 120);
  try {
    const [name, ...rest] = args;
    if (name === undefined || ["help", "--help", "-h"].includes(name)) {
      stdout.write(`${await zooHelp(columns)}\n`);
      return name === undefined ? exitCodes.usage : exitCodes.ok;
    }
    const command = findTask(name);
    if (rest.some((word) => ["--help", "-h"].includes(word))) {
      stdout.write(`${await taskHelp(command, columns)}\n`);
      return exitCodes.ok;
    }
    const { positionals, options } = await readTask(command, rest);
    const logger = createLogger(stderr, { quiet: options.flag("quiet"), verbose: false });
    return await command.run({ positionals, options, terminal, logger }).finally(() => logger.close());
  } catch (error) {
    const { text, exitCode } = describeError(error, { stack, aborted: signal.aborted });
    stderr.write(`${text}\n`);
    return exitCode;
  }
}

const taskOf = ({ name }: ZooCommand): string => name.replace(/^zoo /, "");

function findTask(name: string): ZooCommand {
  const found = zooCommands.find((command) => taskOf(command) === name);
  if (found !== undefined) return found;
  const names = zooCommands.map(taskOf);
  const hint = `${didYouMean(name, names)}Choose ${names.join(", ")}.`;
  throw usageError("command", `There is no "efqat zoo ${name}"`, undefined, hint);
}

/** Arguments as yargs reads them, after they were checked. */
async function readTask(
  command: ZooCommand,
  args: readonly string[],
): Promise<{ positionals: string[]; options: OptionReader }> {
  const words = checkArguments(command, args, zooCommands);
  const values = await bareParser(command)
    .help(false)
    .fail((message: string | null, error: Error | undefined) => {
      throw error instanceof UserError ? error : usageError("command-line", message ?? String(error));
    })
    .parseAsync(words);
  const positionals = values._.map(String);
  return { positionals, options: new OptionReader(values) };
}

function bareParser(command: ZooCommand): Argv {
  const parser = yargs().parserConfiguration(parserSettings).version(false).exitProcess(false).locale("en");
  for (const [option, spec] of Object.entries(command.options)) parser.option(option, declareOption(spec));
  return parser;
}

async function taskHelp(command: ZooCommand, columns: number): Promise<string> {
  const { positional, mostPositionals = 1, name, describe, examples } = command;
  const word = positional?.name.toUpperCase();
  const words = word === undefined ? "" : mostPositionals > 1 ? `${word}1 ${word}2` : word;
  const parser = bareParser(command).usage(`efqat ${name} ${words}\n\n${describe}`).wrap(columns);
  for (const { line, describe: what } of examples) parser.example(line, what);
  return parser.help(false).getHelp();
}

async function zooHelp(columns: number): Promise<string> {
  const parser = yargs()
    .scriptName("efqat zoo")
    .usage("$0 TASK\n\nQuantize and train many models, and compare what came of them.")
    .version(false)
    .wrap(columns)
    .locale("en");
  for (const command of zooCommands) parser.command(taskOf(command), command.describe);
  return parser.getHelp();
}
