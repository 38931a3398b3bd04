import type { RunnableGraph } from "../sessions/mean-outputs.ts";

/** Adds up the milliseconds of what runs under it. */
export class Stopwatch {
  spent = 0;

  async time<Result>(run: () => Promise<Result>): Promise<Result> {
    const start = performance.now();
    try {
      return await run();
    } finally {
      this.spent += performance.now() - start;
    }
  }
}

/** A graph whose runs a stopwatch times. */
export const timedGraph = (graph: RunnableGraph, watch: Stopwatch): RunnableGraph => ({
  inputs: graph.inputs,
  run: (...call) => watch.time(() => graph.run(...call)),
});
