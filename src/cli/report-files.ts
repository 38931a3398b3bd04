import { existsSync } from "node:fs";
import { open } from "node:fs/promises";
import { systemCodeOf, UserError } from "../errors.ts";
import { renderHtml } from "../report/render-html.ts";
import { type FailedReport, renderJson, type Report } from "../report/report-data.ts";
import {
  type Claim,
  claimPaths,
  isStream,
  type RunContext,
  type WrittenFile,
  writeText,
} from "../workflows/index.ts";
import type { MessageStream } from "./logger.ts";

interface ReportFile extends WrittenFile {
  render: (report: Report | FailedReport) => string;
}

const renderings = { "--json": renderJson, "--html": renderHtml } as const;

/** The files that --json and --html name, found without a parser: a command line that is wrong has them, too. */
export function findReports(args: readonly string[]): ReportFile[] {
  return Object.entries(renderings).flatMap(([option, render]) => {
    const at = args.findLastIndex((arg) => arg === option || arg.startsWith(`${option}=`));
    const path = at < 0 ? undefined : args[at] === option ? args[at + 1] : args[at]?.slice(option.length + 1);
    return path === undefined || path === "" || path.startsWith("-")
      ? []
      : [{ option, path, render, stream: true }];
  });
}

/** The report files of one command line, claimed along with what the command reads and writes. */
export class ReportFiles {
  readonly #files: readonly ReportFile[];
  readonly #stdout: MessageStream;
  readonly #clobber: boolean;
  #claim: Claim | undefined;

  /** `clobber`: whether files that exist may be replaced. */
  constructor(
    files: readonly ReportFile[],
    { stdout, clobber }: { stdout: MessageStream; clobber: boolean },
  ) {
    this.#files = files;
    this.#stdout = stdout;
    this.#clobber = clobber;
  }

  /** How a workflow claims its paths: with those of the reports. They are held until `release`. */
  claimWith(command: string): NonNullable<RunContext["claim"]> {
    return async (paths) => {
      const files = [...paths.files, ...this.#files];
      return (this.#claim = await claimPaths({ ...paths, files }, { command, clobber: this.#clobber }));
    };
  }

  async write(report: Report | FailedReport): Promise<void> {
    for (const file of this.#files) await this.#writeOne(file, report);
  }

  async #writeOne({ path, render }: ReportFile, report: Report | FailedReport): Promise<void> {
    if (path === "/dev/stdout") this.#stdout.write(render(report));
    else await writeText(path, render(report));
  }

  /**
   * Writes the report of a failure, but not to a file that the failure is about. As long as it is not known that the
   * files are none that the command reads, only those are written that do not exist or hold a report.
   */
  async writeFailure(report: FailedReport, stderr: MessageStream): Promise<void> {
    for (const file of this.#files) {
      if (report.error.where === file.path) continue;
      if (!(await this.#mayTell(file.path))) continue;
      try {
        await this.#writeOne(file, report);
      } catch (error) {
        const why = error instanceof UserError ? error.toParagraph() : String(error);
        stderr.write(`Warning: ${file.option} could not be written. ${why}\n`);
      }
    }
  }

  async #mayTell(path: string): Promise<boolean> {
    if (this.#claim?.complete === true) return true;
    return (await isFreeForReport(path)) && (this.#clobber || !existsSync(path) || isStream(path));
  }

  async release(): Promise<void> {
    await this.#claim?.release();
    this.#claim = undefined;
  }
}

/** How reports begin, and empty files. */
const beginnings = [
  /^\{\s*"formatVersion": 1,\s*"tool": \{\s*"name": "efqat"/,
  /^<!doctype html>[^]*content="efqat"/,
  /^$/,
];

/** Whether there is nothing at a path that is worth keeping. */
async function isFreeForReport(path: string): Promise<boolean> {
  try {
    const handle = await open(path, "r");
    try {
      if (!(await handle.stat()).isFile()) return path.startsWith("/dev/");
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(512), 0, 512, 0);
      const text = buffer.toString("utf8", 0, bytesRead);
      return beginnings.some((beginning) => beginning.test(text));
    } finally {
      await handle.close();
    }
  } catch (error) {
    return systemCodeOf(error) === "ENOENT";
  }
}
