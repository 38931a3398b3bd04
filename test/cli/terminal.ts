import { runCommandLine } from "../../src/cli/run.ts";

/** What a command line printed, and its exit code. */
export interface Outcome {
  exitCode: number;
  stdout: string;
  stderr: string;
}

/** Runs a command line with its terminal in memory; `onMessage` sees each message as it comes. */
export async function runCli(
  args: readonly string[],
  options: { signal?: AbortSignal; onMessage?: (text: string) => void; stack?: boolean } = {},
): Promise<Outcome> {
  const outcome: Outcome = { exitCode: -1, stdout: "", stderr: "" };
  outcome.exitCode = await runCommandLine(args, {
    stdout: { write: (text) => (outcome.stdout += text), columns: 100 },
    stderr: {
      write: (text) => {
        outcome.stderr += text;
        options.onMessage?.(text);
      },
    },
    stack: options.stack ?? false,
    signal: options.signal ?? new AbortController().signal,
  });
  return outcome;
}
