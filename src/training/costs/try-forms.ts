import type { Graph, Model, Node } from "../../ir/model.ts";
import { gradientDomain, windowProblemOf } from "../../ops/gradient-nodes.ts";
import { withSessions } from "../../runtime/open-model.ts";
import type { SessionOptions } from "../../runtime/session.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { feedsFor } from "../state.ts";
import { variantsOf } from "./form-variants.ts";
import type { TrialTarget } from "../artifact/forward-candidate.ts";
import { isTried, trialFeeds } from "./trial-model.ts";

export interface TrialOptions extends TrialTarget {
  /** Share of a weight's rows that train in the trials. */
  ratio: number;
  session: SessionOptions;
  signal?: AbortSignal | undefined;
}

const rounds = 5;
/** Floats that are written before each run, so that it finds its operands in memory, as within a step, and not in a cache. */
const flushedFloats = 2 ** 24;
/** An alternative has to be this much faster than what the cost model guesses: times of a busy machine vary. */
const clearlyFaster = 0.9;

/**
 * Lowers every kind of convolution gradient in `abstract` in each of its forms, times them in turn on the machine, and
 * adds the forms of the fastest to `table` where they are not the guess. What the table knows is not tried again.
 */
export async function tryForms(
  abstract: Graph,
  table: Map<string, string>,
  options: TrialOptions,
): Promise<void> {
  const seen = new Set<string>();
  const flushed = new Float32Array(flushedFloats);
  for (const node of abstract.nodes) {
    if (node.domain !== gradientDomain || !isTried(node)) continue;
    const kind = JSON.stringify([node.opType, node.inputs.length, windowProblemOf(node)]);
    if (seen.has(kind)) continue;
    seen.add(kind);
    options.signal?.throwIfAborted();
    await tryNode(node, table, flushed, options);
  }
}

async function tryNode(
  node: Node,
  table: Map<string, string>,
  flushed: Float32Array,
  options: TrialOptions,
): Promise<void> {
  const variants = variantsOf(node, options);
  const [guess] = variants;
  if (guess === undefined || variants.length < 2) return;
  if ([...guess.assignment.keys()].every((key) => table.has(key))) return;
  const times = await race(
    variants.map(({ model }) => model),
    trialFeeds(node, options.ratio),
    flushed,
    options,
  );
  const limit = (times[0] as number) * clearlyFaster;
  const fastest = times.reduce((best, time, index) => (time < (times[best] as number) ? index : best), 0);
  const chosen = variants[(times[fastest] as number) < limit ? fastest : 0];
  for (const [key, form] of chosen?.assignment ?? []) table.set(key, form);
  for (const [key, form] of guess.assignment) if (!table.has(key)) table.set(key, form);
}

/** Shortest milliseconds of each model, run in turn. */
function race(
  models: readonly Model[],
  feeds: Record<string, Tensor>,
  flushed: Float32Array,
  options: TrialOptions,
): Promise<number[]> {
  return withSessions(models, options.session, async (sessions) => {
    const times = models.map(() => Infinity);
    for (let round = 0; round <= rounds; round++) {
      for (const [index, session] of sessions.entries()) {
        flushed.fill(round);
        const start = performance.now();
        await session.run(feedsFor(session, feeds));
        if (round > 0) times[index] = Math.min(times[index] as number, performance.now() - start);
      }
    }
    return times;
  });
}
