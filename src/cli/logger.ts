import { type Options, type Params, SingleBar } from "cli-progress";
import type { Logger } from "../log.ts";
import { printable } from "../printable.ts";
import { TimeLeft } from "./time-left.ts";

/** Where messages go: standard error in the program, memory in tests. */
export interface MessageStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
}

/** A logger that must be closed before anything else is printed. */
export interface ClosableLogger extends Logger {
  close(): void;
}

/** Milliseconds between two progress lines of one stage where there is no terminal. */
const lineInterval = 5000;

/** Messages and progress for people, with the time left: a bar on a terminal, lines elsewhere, only warnings when quiet. */
export function createLogger(
  stream: MessageStream,
  options: {
    quiet: boolean;
    verbose: boolean;
    /** Told of progress in numbers. */
    onProgress?: (stage: string, done: number, total: number) => void;
  },
): ClosableLogger {
  const line = (text: string): void => void stream.write(`${printable(text)}\n`);
  const progress = options.quiet
    ? undefined
    : stream.isTTY === true
      ? barProgress(stream)
      : lineProgress(line);
  const say = (text: string): void => {
    progress?.pause();
    line(text);
  };
  const timeLeft = new TimeLeft();
  return {
    debug: (message) => {
      if (options.verbose) say(message);
    },
    info: (message) => {
      if (!options.quiet) say(message);
    },
    warn: (message) => say(`Warning: ${message}`),
    progress: (stage, done, total, note = "") => {
      options.onProgress?.(stage, done, total);
      const notes = [note, timeLeft.after(stage, done, total)].filter((each) => each !== "");
      progress?.update(stage, done, total, notes.join(", "));
    },
    close: () => progress?.pause(),
  };
}

interface Progress {
  update(stage: string, done: number, total: number, note?: string): void;
  /** Leaves the terminal on a fresh line. */
  pause(): void;
}

const barFormat = (options: Options, params: Params, payload: { stage: string; note: string }): string => {
  const columns = 30;
  const filled = Math.round(columns * (params.total > 0 ? Math.min(1, params.progress) : 0));
  const bar = `${options.barCompleteString?.slice(0, filled)}${options.barIncompleteString?.slice(0, columns - filled)}`;
  return printable(`${payload.stage} ${bar} ${params.value}/${params.total || "?"} ${payload.note}`);
};

function barProgress(stream: MessageStream): Progress {
  let bar: SingleBar | undefined;
  let current = "";
  const pause = (): void => {
    bar?.stop();
    bar = undefined;
    current = "";
  };
  return {
    pause,
    update(stage, done, total, note = "") {
      if (stage !== current) pause();
      if (bar === undefined) {
        const target = stream as NodeJS.WriteStream;
        bar = new SingleBar({
          format: barFormat,
          stream: target,
          hideCursor: true,
          barCompleteChar: "█",
          barIncompleteChar: "░",
        });
        bar.start(total, done, { stage, note });
        current = stage;
      }
      bar.setTotal(total);
      bar.update(done, { stage, note });
      if (total > 0 && done >= total) pause();
    },
  };
}

function lineProgress(line: (text: string) => void): Progress {
  let current = "";
  let last = -Infinity;
  return {
    pause: () => undefined,
    update(stage, done, total, note = "") {
      const finished = total > 0 && done >= total;
      const now = performance.now();
      if (stage === current && !finished && now - last < lineInterval) return;
      current = stage;
      last = now;
      line(`${stage} ${done}${total > 0 ? `/${total}` : ""}${note === "" ? "" : ` ${note}`}`);
    },
  };
}
