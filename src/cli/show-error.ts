import { exitCodes, SeveralErrors, UserError } from "../errors.ts";
import { printable } from "../printable.ts";
import type { FailedReport } from "../report/report-data.ts";

/** What an error looks like on the terminal and which exit code it means. */
export function describeError(
  error: unknown,
  options: { stack: boolean; aborted: boolean },
): { text: string; exitCode: number } {
  if (options.aborted && !(error instanceof UserError)) {
    return { text: "Stopped.", exitCode: exitCodes.interrupted };
  }
  if (error instanceof SeveralErrors) {
    const lines = error.errors.map(lineOf);
    const stack = options.stack ? `\n${stackOf(error)}` : "";
    return {
      text: `Error: ${lines.length} problems\n  ${lines.join("\n  ")}${stack}`,
      exitCode: exitCodes[error.kind],
    };
  }
  if (error instanceof UserError) {
    const stack = options.stack ? `\n${stackOf(error)}` : "";
    return { text: `Error ${lineOf(error)}${stack}`, exitCode: exitCodes[error.kind] };
  }
  const message = error instanceof Error ? error.message : String(error);
  const text = options.stack
    ? stackOf(error)
    : `Error [internal]: ${printable(message)}. This is a bug in efqat; run again with --stack and report what it prints.`;
  return { text, exitCode: exitCodes.internal };
}

/** The report's section on an error. */
export function errorSection(error: unknown, { aborted }: { aborted: boolean }): FailedReport["error"] {
  const { exitCode } = describeError(error, { stack: false, aborted });
  if (error instanceof UserError) {
    const { code, message: what, where, hint } = error;
    return {
      code,
      what,
      ...(where === undefined ? {} : { where }),
      ...(hint === undefined ? {} : { hint }),
      exitCode,
    };
  }
  if (aborted) return { code: "interrupted/stopped", what: "The command was stopped", exitCode };
  const what = error instanceof Error ? error.message : String(error);
  return { code: "internal", what, hint: "This is a bug in efqat.", exitCode };
}

const lineOf = (error: UserError): string => printable(`[${error.code}]: ${error.toParagraph()}`);

/** The error's stack with those of its causes. */
function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? "" : `\nCaused by: ${stackOf(error.cause)}`;
  return `${error.stack ?? error.message}${cause}`;
}
