import type { StepCosts } from "../freezing/selection.ts";
import type { History } from "./events.ts";

/**
 * Largest share of the time of steps that may go into sessions that are built because the backward ends at another layer.
 * Together with what every choice of rows takes it is less than 2 %.
 */
const buildingShare = 0.01;

/**
 * The layer at which the backward has to keep ending; undefined where it may move. Moving costs `building` milliseconds
 * for new sessions, and is allowed once the runs since it last moved (or since all layers were last looked at) have taken
 * long enough for that to be `buildingShare` of their time. A run is counted as its forward and its backward without
 * weight gradients; a step has `runs` of them.
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
