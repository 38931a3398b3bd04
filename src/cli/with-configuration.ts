import { positionalArguments } from "../commands/check-arguments.ts";
import { readConfiguration } from "../commands/configuration.ts";
import { commands } from "../commands/index.ts";

/** The arguments with the options of `--config FILE` in front of those that were given, which go before them. */
export function withConfiguration(args: readonly string[]): string[] {
  const file = findConfiguration(args);
  if (file === undefined) return [...args];
  const [name = ""] = args;
  const asked = commands.find((command) => command.name === name);
  const own = asked === undefined ? args : args.slice(1);
  const { command, path, words } = readConfiguration(file, asked, commands);
  const argument = path === undefined || positionalArguments(command, own).length > 0 ? [] : [path];
  return [command.name, ...words, ...argument, ...own];
}

function findConfiguration(args: readonly string[]): string | undefined {
  const at = args.findLastIndex((arg) => arg === "--config" || arg.startsWith("--config="));
  const value = args[at] === "--config" ? args[at + 1] : args[at]?.slice("--config=".length);
  return value === undefined || value === "" || value.startsWith("-") ? undefined : value;
}
