import type { Report } from "../report/report-data.ts";
import type { RunContext } from "../workflows/index.ts";
import type { OptionReader } from "./option-reader.ts";
import type { OptionSpec } from "./options.ts";

/** One command of the command line: what it takes, how it is explained, and what it does. */
export interface Command {
  name: Report["command"];
  /** Name of the positional argument and what it is; none where the command only prints. */
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
  describe: string;
  options: Readonly<Record<string, OptionSpec>>;
  examples: readonly { line: string; describe: string }[];
  /** The text of a command that prints instead of reporting; it is not run. */
  print?: (path: string, options: OptionReader) => string | Promise<string>;
  /** Runs the workflow. `path` is the positional argument, `more` are further ones. */
  run(path: string, options: OptionReader, context: RunContext, more: readonly string[]): Promise<Report>;
}
