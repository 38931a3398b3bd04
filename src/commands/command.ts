import type { Report } from "../report/report-data.ts";
import type { RunContext } from "../workflows/index.ts";
import type { ArgumentSpec } from "./check-arguments.ts";
import type { OptionReader } from "./option-reader.ts";

/** One command of the command line: what it takes, how it is explained, and what it does. */
export interface Command extends ArgumentSpec {
  name: Report["command"];
  describe: string;
  /** A further command may stand behind `--`, which takes the file that this one wrote as its argument. */
  handsOn?: true;
  /** The text of a command that prints instead of reporting; it is not run. */
  print?: (path: string, options: OptionReader) => string | Promise<string>;
  /** Runs the workflow. `path` is the positional argument, `more` are further ones. */
  run(path: string, options: OptionReader, context: RunContext, more: readonly string[]): Promise<Report>;
}
