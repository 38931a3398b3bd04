import { type ImportanceName, metricFor } from "./importance.ts";
import type { SelectionMode } from "./modes.ts";

/** How rows are chosen, as far as that was decided. */
export interface OpenChoice {
  mode: SelectionMode | "auto";
  importance: ImportanceName | "auto";
}

/** What is asked of a run on an artifact that was built for a choice of its own. */
export function orAsBuilt(
  asked: { [Name in keyof OpenChoice]?: OpenChoice[Name] | undefined },
  built: { mode: SelectionMode; importance: ImportanceName },
): OpenChoice {
  const { mode = built.mode, importance = asked.mode === undefined ? built.importance : "auto" } = asked;
  return { mode, importance };
}

/**
 * What the ablation (docs/ablation.md) found best: over the network by fisher where most weights have less than 8 bits,
 * else the paper's setting.
 */
export function settleChoice(
  { mode, importance }: OpenChoice,
  weights: readonly { bits: number }[],
): { mode: SelectionMode; importance: ImportanceName } {
  const coarse = weights.filter(({ bits }) => bits < 8).length;
  const usual = 2 * coarse > weights.length ? "cwpn" : "cwpl";
  const settled = mode === "auto" ? usual : mode;
  return { mode: settled, importance: importance === "auto" ? metricFor(settled) : importance };
}
