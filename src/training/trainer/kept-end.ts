import type { StepCosts } from "../freezing/selection.ts";
import type { History } from "./events.ts";

/**
 * Share of the steps' time that building sessions for other ends of the backward may take: with what every choice of rows
 * takes in any case it comes to less than 2 %.
 */
const buildingShare = 0.01;

/**
 * The first layer that trains, where the backward has to go on ending: since sessions were last built for it to move, or
 * to look whether it should, the runs up to `step` (`runs` of the training graph each) have not taken long enough to be
 * worth `building` milliseconds once more. Of a run, the forward counts and the backward without weight gradients.
 */
export function keptEnd(
  refreshes: readonly Pick<History["refreshes"][number], "step" | "first" | "looked">[],
  step: number,
  { forward, weights }: StepCosts,
  { building, runs }: { building: number; runs: number },
): string | undefined {
  const end = refreshes.at(-1)?.first ?? undefined;
  if (end === undefined) return undefined;
  const built = refreshes.findLastIndex(
    ({ first, looked }, index) => looked || first !== refreshes[index - 1]?.first,
  );
  const since = refreshes[built]?.step ?? 0;
  const taken = (step - since) * runs * (forward + (weights[end]?.reach ?? 0));
  return taken * buildingShare < building ? end : undefined;
}
