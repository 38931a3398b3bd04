import { usageError } from "../errors.ts";
import { type Logger, silentLogger } from "../log.ts";
import type { Report } from "../report/report-data.ts";
import type { CustomMetric, RunContext } from "../workflows/index.ts";
import { checkArguments } from "./check-arguments.ts";
import type { Command } from "./command.ts";
import { commands } from "./index.ts";
import { OptionReader, type OptionValues } from "./option-reader.ts";
import { repeatedOptions, reportOptions } from "./options.ts";
import { joinRepeated } from "./read-inputs.ts";
import { settleTarget } from "./settle-target.ts";
import { spellAsGiven } from "./spell-as-given.ts";
import type { RequestContext } from "./request-types.ts";
import { requestWords } from "./request-words.ts";

/**
 * Runs a command as the command line would, with the same defaults and the same errors. `request`: its options by name,
 * and its argument (`model` or `artifact`).
 */
export async function runRequest(
  command: Command,
  request: object,
  context: RequestContext = {},
): Promise<Report> {
  const given: string[] = [];
  try {
    const { metrics, rest } = takeMetrics(command, request);
    const { paths, options } = readRequest(command, rest, given);
    const [path = "", ...more] = paths;
    const run = { ...readContext(context), metrics };
    return await command.run(path, await settleTarget(options, run.logger), run, more);
  } catch (error) {
    throw spellAsGiven(error, given);
  }
}

/** Metrics of a request that are functions, or objects with them, and the request with the others. */
function takeMetrics(command: Command, request: object): { metrics: CustomMetric[]; rest: unknown } {
  const given: unknown = (request as { metric?: unknown } | null)?.metric;
  if (!Object.hasOwn(command.options, "metric") || given === undefined) return { metrics: [], rest: request };
  const all: unknown[] = Array.isArray(given) ? given : [given];
  const isOwn = (metric: unknown): metric is CustomMetric =>
    typeof metric === "function" || (typeof metric === "object" && metric !== null && "measure" in metric);
  const metrics = all.filter(isOwn);
  if (metrics.length === 0) return { metrics, rest: request };
  const named = all.filter((metric) => !isOwn(metric));
  return { metrics, rest: { ...request, metric: named.length === 0 ? undefined : named } };
}

/** The paths of the argument and the options of a request, whose words are added to `given`. */
function readRequest(
  command: Command,
  request: unknown,
  given: string[],
): { paths: string[]; options: OptionReader } {
  if (typeof request !== "object" || request === null || Array.isArray(request)) {
    const what = `The options of ${command.name} are ${request === null ? "null" : typeof request}`;
    throw usageError("request", what, undefined, "Give an object: { model, data, out }.");
  }
  const { name = "", then = "" } = command.positional ?? {};
  const { [name]: argument, ...others } = request as Record<string, unknown>;
  const further = then === "" ? undefined : others[then];
  const rest = omit(others, [then]);
  const paths = [
    ...readPaths(command, argument),
    ...readPaths({ ...command, positional: { name: then, describe: "" } }, further),
  ];
  const options = omit(command.options, Object.keys(reportOptions));
  const words = requestWords(rest, options);
  given.push(...words, ...(paths.length === 0 ? [] : ["--", ...paths]));
  const checked = checkArguments({ ...command, options }, given, commands);
  return { paths, options: new OptionReader(readWords(checked, command)) };
}

/** The paths of a command's argument: one, or a list where it takes several. */
function readPaths({ positional }: Command, given: unknown): string[] {
  const list: unknown[] = positional?.severalWith !== undefined && Array.isArray(given) ? given : [given];
  return list
    .filter((path) => path !== undefined && path !== "")
    .map((path) => {
      if (typeof path === "string") return path;
      const name = positional?.name ?? "";
      throw usageError(name, `The ${name} is ${typeof path}, not a path`, name, "Give the path as text.");
    });
}

/** The values of checked words, and the defaults of all others. */
function readWords(words: readonly string[], command: Command): OptionValues {
  const values: Record<string, unknown> = {};
  for (const [name, spec] of Object.entries(command.options)) values[name] = spec.flag ? false : spec.default;
  const end = words.indexOf("--");
  for (const word of joinRepeated(end < 0 ? words : words.slice(0, end), repeatedOptions)) {
    const at = word.indexOf("=");
    if (at < 0) values[word.slice(2)] = true;
    else values[word.slice(2, at)] = word.slice(at + 1);
  }
  return values;
}

function readContext({ logger, signal }: RequestContext): RunContext {
  if (signal !== undefined && !(signal instanceof AbortSignal))
    throw usageError("signal", "The signal is no AbortSignal", "signal", "Take that of an AbortController.");
  return { logger: completeLogger(logger), signal: signal ?? new AbortController().signal };
}

/** A logger of which some methods may be missing; `this` stays the one that was given. */
function completeLogger(logger: Partial<Logger> = {}): Logger {
  return {
    debug: (message) => (logger.debug ? logger.debug(message) : silentLogger.debug(message)),
    info: (message) => (logger.info ? logger.info(message) : silentLogger.info(message)),
    warn: (message) => (logger.warn ? logger.warn(message) : silentLogger.warn(message)),
    progress: (stage, done, total, note) =>
      logger.progress ? logger.progress(stage, done, total, note) : undefined,
  };
}

const omit = <T>(table: Readonly<Record<string, T>>, names: readonly string[]): Record<string, T> =>
  Object.fromEntries(Object.entries(table).filter(([name]) => !names.includes(name)));
