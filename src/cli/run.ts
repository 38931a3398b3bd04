import { exitCodes } from "../errors.ts";
import { renderHtml } from "../report/render-html.ts";
import { renderText } from "../report/render-text.ts";
import { renderJson, type Report } from "../report/report-data.ts";
import { makeFolderOf, writeText } from "../workflows/index.ts";
import { createLogger, type MessageStream } from "./logger.ts";
import type { OptionReader } from "./option-reader.ts";
import { parseCommandLine } from "./parse.ts";
import { describeError } from "./show-error.ts";

/** The outside world of a command line, so that tests can hold it in memory. */
export interface Terminal {
  stdout: MessageStream & { columns?: number };
  stderr: MessageStream;
  /** Stack traces with errors, whatever the options say. */
  stack: boolean;
  /** Aborted by Ctrl-C. */
  signal: AbortSignal;
}

/** Runs one command line: reports to stdout, messages and errors to stderr. Returns the exit code; never throws. */
export async function runCommandLine(args: readonly string[], terminal: Terminal): Promise<number> {
  const { stdout, stderr, signal } = terminal;
  let stack = terminal.stack || args.includes("--stack");
  try {
    const request = await parseCommandLine(args, Math.min(stdout.columns ?? 100, 120));
    if (request.kind === "text") {
      stdout.write(`${request.text}\n`);
      return args.length === 0 ? exitCodes.usage : exitCodes.ok;
    }
    const { command, path, options } = request;
    stack ||= options.flag("stack");
    await makeReportFolders(options);
    const logger = createLogger(stderr, { quiet: options.flag("quiet"), verbose: options.flag("verbose") });
    const report = await command.run(path, options, { logger, signal }).finally(() => logger.close());
    await writeReport(report, options);
    if (!options.flag("quiet")) stdout.write(`\n${renderText(report)}`);
    return exitCodes.ok;
  } catch (error) {
    const { text, exitCode } = describeError(error, { stack, aborted: signal.aborted });
    stderr.write(`${text}\n`);
    return exitCode;
  }
}

/** Folders of the reports, made before hours of work rather than missed after them. */
async function makeReportFolders(options: OptionReader): Promise<void> {
  for (const path of [options.text("json"), options.text("html")])
    if (path !== undefined) await makeFolderOf(path);
}

async function writeReport(report: Report, options: OptionReader): Promise<void> {
  const json = options.text("json");
  const html = options.text("html");
  if (json !== undefined) await writeText(json, renderJson(report));
  if (html !== undefined) await writeText(html, renderHtml(report));
}
