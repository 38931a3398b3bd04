import { MultiBar, type SingleBar } from "cli-progress";
import { printable } from "../../printable.ts";
import { formatNumber, formatSeconds } from "../../report/format.ts";
import type { JobResult, ZooEvent } from "../../zoo/index.ts";
import type { MessageStream } from "../logger.ts";
import { TimeLeft } from "../time-left.ts";

/** Shows the events of a run. */
export interface ZooView {
  show: (event: ZooEvent) => void;
  close: () => void;
}

/** A bar for the run and one for each job on a terminal; a line for each event elsewhere. */
export function createView(
  stream: MessageStream,
  { quiet, jobs }: { quiet: boolean; jobs: number },
): ZooView {
  const bars = stream.isTTY === true && !quiet ? new Bars(stream as NodeJS.WriteStream, jobs) : undefined;
  const line = (text: string): void => {
    if (bars !== undefined) bars.log(printable(text));
    else stream.write(`${printable(text)}\n`);
  };
  let ended = 0;
  return {
    show(event) {
      bars?.show(event);
      if (event.type === "ended") ended++;
      const text = describe(event, { ended, jobs, terse: bars !== undefined });
      if (text !== undefined && (!quiet || failed(event))) line(text);
    },
    close: () => bars?.close(),
  };
}

/** What is told also where nothing is to be told but failures. */
const failed = (event: ZooEvent): boolean =>
  event.type === "queue" || (event.type === "ended" && event.result.status === "failed");

/** One line on an event; undefined: it is not worth one. */
function describe(
  event: ZooEvent,
  { ended, jobs, terse }: { ended: number; jobs: number; terse: boolean },
): string | undefined {
  switch (event.type) {
    case "planned":
      return event.done === event.total && !terse ? `looked at ${event.total} jobs` : undefined;
    case "started":
      return terse
        ? undefined
        : `started ${event.job}${event.attempt > 1 ? `, attempt ${event.attempt}` : ""}`;
    case "retry":
      return `${event.job}: [${event.cause.code}] ${event.cause.what}; once more in ${event.seconds} s`;
    case "queue":
      return event.what;
    case "busy":
    case "progress":
      return undefined;
    case "ended":
      if (event.before && event.result.status === "done") return undefined;
      return `[${ended}/${jobs}] ${describeEnd(event.result)}`;
  }
}

function describeEnd({ name, status, cause, seconds, metrics }: JobResult): string {
  if (status === "failed") return `failed ${name}: [${cause?.code ?? ""}] ${cause?.what ?? ""}`;
  const sqnr = metrics.sqnr === undefined ? "" : `, SQNR ${formatNumber(metrics.sqnr, 3)} dB`;
  return `done ${name} in ${formatSeconds(seconds)}${sqnr}`;
}

const barOptions = {
  clearOnComplete: true,
  hideCursor: true,
  barsize: 20,
  stopOnComplete: false,
  forceRedraw: true,
  format: "{bar} {value}/{total} {text}",
};

/** The bars of a terminal: all jobs, and those that are being run. */
class Bars {
  readonly #all: MultiBar;
  readonly #total: SingleBar;
  readonly #jobs = new Map<string, { bar: SingleBar; left: TimeLeft }>();
  #open = true;

  constructor(stream: NodeJS.WriteStream, jobs: number) {
    this.#all = new MultiBar({ ...barOptions, stream });
    this.#total = this.#all.create(jobs, 0, { text: "jobs" });
  }

  log(text: string): void {
    this.#all.log(`${text}\n`);
  }

  show(event: ZooEvent): void {
    if (!this.#open) return;
    if (event.type === "planned") this.#total.update(0, { text: `jobs, looked at ${event.done}` });
    else if (event.type === "started") this.#start(event.job);
    else if (event.type === "progress") this.#update(event);
    else if (event.type === "retry" || event.type === "busy") this.#stop(event.job);
    else if (event.type === "ended") {
      this.#total.increment(1, { text: "jobs" });
      this.#stop(event.result.name);
    }
  }

  #start(job: string): void {
    this.#stop(job);
    const bar = this.#all.create(1, 0, { text: printable(job) });
    this.#jobs.set(job, { bar, left: new TimeLeft() });
  }

  #update({ job, stage, done, total }: ZooEvent & { type: "progress" }): void {
    const { bar, left } = this.#jobs.get(job) ?? {};
    bar?.setTotal(Math.max(1, total));
    const rest = left?.after(stage, done, total) ?? "";
    bar?.update(done, { text: printable(`${job}: ${stage}${rest === "" ? "" : `, ${rest}`}`) });
  }

  #stop(job: string): void {
    const bar = this.#jobs.get(job)?.bar;
    if (bar !== undefined) this.#all.remove(bar);
    this.#jobs.delete(job);
  }

  close(): void {
    if (this.#open) this.#all.stop();
    this.#open = false;
  }
}
