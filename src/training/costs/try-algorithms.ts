import { groupBy } from "../../group-by.ts";
import { setImmediate } from "node:timers/promises";
import type { Graph, Node } from "../../ir/model.ts";
import { gradientDomain, windowProblemOf } from "../../ops/gradient-nodes.ts";
import { withSessions } from "../../runtime/open-model.ts";
import type { SessionOptions } from "../../runtime/session.ts";
import type { TrialTarget } from "../artifact/forward-candidate.ts";
import { feedsFor } from "../state.ts";
import { findClearWinner } from "./find-clear-winner.ts";
import { type Variant, variantsOf } from "./algorithm-variants.ts";
import { flushedFloats, isWorthATrial } from "./trial-budget.ts";
import { isTried, trialFeeds } from "./trial-model.ts";

export interface TrialOptions extends TrialTarget {
  /** Share of a weight's rows that train in the trials. */
  ratio: number;
  /** Runs of the training graph to come, which trials must not cost more than a share of; Infinity: whatever they cost. */
  runs: number;
  session: SessionOptions;
  signal?: AbortSignal | undefined;
  /** Called before each trial with the number of those done, and of all. */
  progress?: (done: number, total: number) => void;
}

/**
 * Lowers every kind of convolution gradient in `abstract` whose trial pays in each of its algorithms, times them in turn on
 * the machine, and returns the algorithms by question: the guessed ones, or those of a clear winner. What `table` knows is
 * not tried again; what is found is added to it.
 */
export async function tryAlgorithms(
  abstract: Graph,
  table: Map<string, string>,
  options: TrialOptions,
): Promise<Map<string, string>> {
  const answers = new Map<string, string>();
  const worthy = kindsToTry(abstract, options);
  const open = worthy.filter(({ variants: [guess] }) =>
    [...(guess as Variant).assignment.keys()].some((key) => !table.has(key)),
  );
  const flushed = open.length > 0 ? new Float32Array(flushedFloats) : new Float32Array(0);
  for (const [done, { node, variants }] of open.entries()) {
    options.progress?.(done, open.length);
    await setImmediate();
    options.signal?.throwIfAborted();
    await tryNode(node, variants, table, flushed, options);
  }
  if (open.length > 0) options.progress?.(open.length, open.length);
  for (const { variants } of worthy)
    for (const key of variants.flatMap(({ assignment }) => [...assignment.keys()])) {
      const algorithm = table.get(key);
      if (algorithm !== undefined) answers.set(key, algorithm);
    }
  return answers;
}

interface Kind {
  node: Node;
  variants: Variant[];
}

/** One node of each kind that has several algorithms, and whose trial pays. */
function kindsToTry(abstract: Graph, options: TrialOptions): Kind[] {
  const tried = abstract.nodes.filter((node) => node.domain === gradientDomain && isTried(node));
  const kinds = groupBy(tried, (node) =>
    JSON.stringify([node.opType, node.inputs.length, windowProblemOf(node)]),
  );
  return [...kinds.values()].flatMap((nodes) => {
    const [node] = nodes as [Node];
    const { runs, ratio } = options;
    // Two variants are the fewest: where their trial does not pay, none are made.
    if (!isWorthATrial(node, { runs, ratio, count: nodes.length, variants: 2 })) return [];
    const variants = variantsOf(node, options);
    const pays = isWorthATrial(node, { runs, ratio, count: nodes.length, variants: variants.length });
    return variants.length > 1 && pays ? [{ node, variants }] : [];
  });
}

async function tryNode(
  node: Node,
  variants: readonly Variant[],
  table: Map<string, string>,
  flushed: Float32Array,
  options: TrialOptions,
): Promise<void> {
  const models = variants.map(({ model }) => model);
  const best = await withSessions(models, options.session, (sessions) => {
    const feeds = trialFeeds(node, options.ratio);
    return findClearWinner(
      sessions.map((session) => () => {
        flushed.fill(1);
        return session.time(feedsFor(session, feeds));
      }),
    );
  });
  for (const [key, algorithm] of variants[best]?.assignment ?? []) table.set(key, algorithm);
  for (const [key, algorithm] of variants[0]?.assignment ?? [])
    if (!table.has(key)) table.set(key, algorithm);
}
