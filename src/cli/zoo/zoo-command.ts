import type { Logger } from "../../log.ts";
import type { ArgumentSpec } from "../../commands/check-arguments.ts";
import type { OptionReader } from "../../commands/option-reader.ts";
import type { Terminal } from "../run.ts";

/** What a task is run with. */
export interface ZooTask {
  positionals: readonly string[];
  options: OptionReader;
  terminal: Terminal;
  logger: Logger;
}

/** One task of `efqat zoo`. */
export interface ZooCommand extends ArgumentSpec {
  describe: string;
  /** Gives the exit code. */
  run(task: ZooTask): Promise<number>;
}
