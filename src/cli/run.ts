import { exitCodes } from "../errors.ts";
import { settleTarget } from "../commands/settle-target.ts";
import { spellAsGiven } from "../commands/spell-as-given.ts";
import { renderText } from "../report/render-text.ts";
import { startFailedReport } from "../workflows/index.ts";
import { createLogger, type MessageStream } from "./logger.ts";
import { handOn } from "./hand-on.ts";
import { findCommand, parseCommandLine, splitNext } from "./parse.ts";
import { findReports, ReportFiles } from "./report-files.ts";
import { describeError, errorSection } from "./show-error.ts";
import { withConfiguration } from "./with-configuration.ts";

/** The outside world of a command line, so that tests can hold it in memory. */
export interface Terminal {
  stdout: MessageStream & { columns?: number };
  stderr: MessageStream;
  /** Stack traces with errors, whatever the options say. */
  stack: boolean;
  /** Aborted by Ctrl-C. */
  signal: AbortSignal;
  /** Told of progress in numbers, besides what is printed. */
  onProgress?: (stage: string, done: number, total: number) => void;
}

/** Runs one command line: reports to stdout, messages and errors to stderr. Returns the exit code; never throws. */
export async function runCommandLine(given: readonly string[], terminal: Terminal): Promise<number> {
  const stack = terminal.stack || given.includes("--stack");
  try {
    return await runArguments(withConfiguration(given), given, { ...terminal, stack });
  } catch (error) {
    const { text, exitCode } = describeError(error, { stack, aborted: terminal.signal.aborted });
    terminal.stderr.write(`${text}\n`);
    return exitCode;
  }
}

/** Runs arguments with those of a configuration file among them; `words`: the words as they were typed. */
async function runArguments(
  args: readonly string[],
  words: readonly string[],
  terminal: Terminal,
): Promise<number> {
  const { stdout, stderr, signal } = terminal;
  if (args[0] === "zoo") {
    // Loaded only here: jobs of a zoo start without it, a fifth of a second earlier.
    const { runZooLine } = await import("./zoo/line.ts");
    return runZooLine(args.slice(1), terminal);
  }
  const start = performance.now();
  const commandLine = ["efqat", ...words];
  const given: { options: Record<string, unknown>; stack: boolean } = {
    options: {},
    stack: terminal.stack || args.includes("--stack"),
  };
  const { args: own } = splitNext(args);
  const clobber = !own.includes("--no-clobber");
  const reports = new ReportFiles(findReports(own), { stdout, clobber });
  try {
    const request = await parseCommandLine(args, Math.min(stdout.columns ?? 100, 120));
    if (request.kind === "text") {
      stdout.write(`${request.text}\n`);
      return args.length === 0 ? exitCodes.usage : exitCodes.ok;
    }
    const { command, path, more } = request;
    if (command.print !== undefined) {
      stdout.write(`${await command.print(path, request.options)}\n`);
      return exitCodes.ok;
    }
    const logger = createLogger(stderr, {
      quiet: request.options.flag("quiet"),
      verbose: request.options.flag("verbose"),
      ...(terminal.onProgress === undefined ? {} : { onProgress: terminal.onProgress }),
    });
    const options = await settleTarget(request.options, logger);
    given.options = { [command.positional?.name ?? "model"]: path, ...options.given() };
    const context = { logger, signal, claim: reports.claimWith(`efqat ${command.name}`) };
    const report = await command.run(path, options, context, more).finally(() => logger.close());
    await reports.write({ ...report, commandLine }).catch((error: unknown) => {
      if (report.output !== undefined) stderr.write(`${report.output.path} was written and verified.\n`);
      throw error;
    });
    if (!options.flag("quiet")) stdout.write(`\n${renderText(report)}`);
    const { unmet = [] } = report;
    for (const what of unmet) stderr.write(`Not met: ${what}.\n`);
    if (request.next !== undefined) {
      await reports.release();
      const further = handOn(request.next, report);
      return await runArguments(further, further, terminal);
    }
    return unmet.length > 0 ? exitCodes.findings : exitCodes.ok;
  } catch (thrown) {
    const error = spellAsGiven(thrown, args);
    const aborted = signal.aborted;
    const command = findCommand(args[0]);
    const section = errorSection(error, { aborted });
    if (command !== undefined)
      await reports.writeFailure(
        { ...startFailedReport(command.name, given.options, section, start), commandLine },
        stderr,
      );
    const { text, exitCode } = describeError(error, { stack: given.stack, aborted });
    stderr.write(`${text}\n`);
    return exitCode;
  } finally {
    await reports.release();
  }
}
