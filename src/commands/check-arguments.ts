import { severalErrors, type UserError, usageError } from "../errors.ts";
import { didYouMean, nearestName } from "./nearest-name.ts";
import type { OptionSpec } from "./options.ts";

/** Arguments of a command, each option in one word with its value. */
interface Arguments {
  words: string[];
  /** Names of the options that are given. */
  given: Set<string>;
  positional: string[];
  problems: UserError[];
}

/** What arguments are checked against. */
export interface ArgumentSpec {
  name: string;
  /** The positional argument and what it is; none where there is none to give. */
  positional:
    | {
        name: string;
        describe: string;
        /** The option with which there may be several. */
        severalWith?: string;
        /** Name of a second one, which may be left out. */
        then?: string;
      }
    | undefined;
  /** Arguments of this kind at most; default: one where there is a positional. */
  mostPositionals?: number;
  options: Readonly<Record<string, OptionSpec>>;
  examples: readonly { line: string; describe: string }[];
}

/** Options that every command has. */
const common: Readonly<Record<string, Pick<OptionSpec, "flag">>> = {
  help: { flag: true },
  version: { flag: true },
};

/**
 * Checks a command's arguments against its options, before the parser sees them: unknown options and values, missing
 * values, what is required and what is too much. Throws one usage error that names them all. Returns the arguments with
 * each option and its value in one word, so that values may begin with a minus.
 */
export function checkArguments(
  command: ArgumentSpec,
  args: readonly string[],
  commands: readonly ArgumentSpec[],
): string[] {
  const read = readArguments(command, args, commands);
  const { words, given, positional, problems } = read;
  if (given.has("help") || given.has("version")) return words;
  const missing = missingArguments(command, read);
  if (missing !== undefined) problems.push(missing);
  const several = given.has(command.positional?.severalWith ?? "");
  const own = command.positional === undefined ? 0 : command.positional.then === undefined ? 1 : 2;
  const usual = command.mostPositionals ?? own;
  for (const extra of positional.slice(several ? Infinity : usual)) problems.push(tooMuch(command, extra));
  if (problems.length > 0) throw severalErrors(problems);
  return words;
}

/** The arguments that are neither options nor their values. */
export const positionalArguments = (command: ArgumentSpec, args: readonly string[]): string[] =>
  readArguments(command, args, []).positional;

function readArguments(
  command: ArgumentSpec,
  args: readonly string[],
  commands: readonly ArgumentSpec[],
): Arguments {
  const read: Arguments = { words: [], given: new Set(), positional: [], problems: [] };
  for (let at = 0; at < args.length; at++) {
    const word = args[at] as string;
    if (word === "--") {
      read.positional.push(...args.slice(at + 1));
      read.words.push(...args.slice(at));
      break;
    }
    const option = readOption(word, command);
    if (option === undefined) {
      read.positional.push(word);
      read.words.push(word);
    } else if (option.spec === undefined) {
      read.problems.push(unknownOption(command, word, option.name, commands, read.given));
      if (isValue(args[at + 1]) && option.value === undefined) at++;
    } else {
      const next = args[at + 1];
      const takesNext = option.spec.flag !== true && option.value === undefined && isValue(next);
      addOption(command, option.name, option.spec, takesNext ? next : option.value, read, word);
      if (takesNext) at++;
    }
  }
  return read;
}

/** A word that begins with a dash, as an option of the command, if it has one of that name. */
function readOption(
  word: string,
  command: ArgumentSpec,
):
  | { name: string; value: string | undefined; spec: Pick<OptionSpec, "flag" | "choices"> | undefined }
  | undefined {
  const dashes = /^(?:--?|[\u2012-\u2015\u2212])(?=[a-z])/i.exec(word)?.[0];
  if (dashes === undefined) return undefined;
  const [given = "", ...rest] = word.slice(dashes.length).split("=");
  const name = nameOfAlias(given, command.options);
  const value = rest.length === 0 ? undefined : rest.join("=");
  if (word === "-h") return { name: "help", value, spec: common["help"] };
  if (dashes !== "--") return { name, value, spec: undefined };
  const find = (key: string): Pick<OptionSpec, "flag" | "choices"> | undefined =>
    [command.options, common].find((table) => Object.hasOwn(table, key))?.[key];
  const negated = name.startsWith("no-") ? find(name.slice(3)) : undefined;
  return { name, value, spec: find(name) ?? (negated?.flag === true ? negated : undefined) };
}

/** The name of the option that a word stands for: an alias's own option, else the word. */
function nameOfAlias(word: string, options: ArgumentSpec["options"]): string {
  return Object.keys(options).find((name) => options[name]?.alias === word) ?? word;
}

/** Values may begin with a minus where a digit or a point follows. */
const isValue = (word: string | undefined): word is string =>
  word !== undefined && !/^(--?|[\u2012-\u2015\u2212])[a-z]/i.test(word) && word !== "--";

function addOption(
  command: ArgumentSpec,
  name: string,
  spec: Pick<OptionSpec, "flag" | "choices">,
  value: string | undefined,
  { words, given, problems }: Arguments,
  word: string,
): void {
  given.add(name);
  if (spec.flag === true) {
    words.push(word);
    if (value !== undefined && !["true", "false"].includes(value))
      problems.push(
        usageError(
          "switch",
          `--${name} takes no value, and has "${value}"`,
          `--${name}`,
          "Leave the value out.",
        ),
      );
    return;
  }
  words.push(`--${name}=${value ?? ""}`);
  if (value === undefined || value === "") {
    const what = `--${name} needs a value`;
    problems.push(
      usageError("value", what, `efqat ${command.name}`, `Write --${name} VALUE, or --${name}=VALUE.`),
    );
  } else if (spec.choices?.includes(value) === false) {
    const hint = `${didYouMean(value, spec.choices)}Choose ${spec.choices.join(", ")}.`;
    problems.push(usageError(name, `The value of --${name} is "${value}"`, `--${name}`, hint));
  }
}

function unknownOption(
  command: ArgumentSpec,
  word: string,
  name: string,
  commands: readonly ArgumentSpec[],
  given: Set<string>,
): UserError {
  const names = Object.entries(command.options).flatMap(([key, { alias }]) => [
    key,
    ...(alias ? [alias] : []),
  ]);
  const meant = Object.hasOwn(command.options, name) ? name : nearestName(name, names);
  // What was meant is not missing as well.
  if (meant !== undefined) given.add(nameOfAlias(meant, command.options));
  const others = commands
    .filter(({ options }) => Object.hasOwn(options, name))
    .map((other) => `efqat ${other.name}`);
  const elsewhere = others.length > 0 ? `It belongs to ${others.join(", ")}. ` : "";
  const near = meant === undefined ? elsewhere : `Did you mean --${meant}? `;
  return usageError(
    "option",
    `There is no option ${word.split("=")[0]}`,
    `efqat ${command.name}`,
    `${near}See efqat ${command.name} --help.`,
  );
}

function missingArguments(
  { name, positional, options, examples }: ArgumentSpec,
  read: Arguments,
): UserError | undefined {
  const needed = Object.entries(options).filter(
    ([key, { required }]) => isNeeded(required, read.given) && !read.given.has(key),
  );
  const missing = [
    ...(positional !== undefined && read.positional.length === 0
      ? [`${positional.name.toUpperCase()} (${positional.describe})`]
      : []),
    ...needed.map(([key]) => `--${key}`),
  ];
  if (missing.length === 0) return undefined;
  return usageError(
    "missing",
    `Missing: ${missing.join(", ")}`,
    `efqat ${name}`,
    `For example: ${examples[0]?.line ?? `efqat ${name} --help`}`,
  );
}

const isNeeded = (required: OptionSpec["required"], given: ReadonlySet<string>): boolean =>
  typeof required === "object" ? !given.has(required.unless) : required === true;

const tooMuch = ({ name, positional }: ArgumentSpec, extra: string): UserError =>
  usageError(
    "extra",
    `"${extra}" is one argument too many: efqat ${name} takes ${positional === undefined ? "none" : `one ${positional.name}`}`,
    undefined,
    "Put a path with spaces into quotation marks; options begin with --.",
  );
