import type { Artifact } from "../artifact/files.ts";
import { floatWeights } from "../artifact/initial-state.ts";
import { flopCosts } from "../costs/flop-costs.ts";
import { needsGradients } from "../freezing/importance.ts";
import { refreshRows } from "../freezing/refresh.ts";
import type { TrainingState } from "../state.ts";

/**
 * Chooses about as many rows as a run will train: a state with these, and the first layer that trains where the backward
 * ends there. For a budget, rows are chosen by magnitude and by operations instead of times. Where gradients are to choose,
 * the backward is taken to go as far as the budget gets: towards the first layers they grow, and scales there count for much.
 */
export function chooseExpectedRows({ manifest, checkpoint, trainingModel, floatModel }: Artifact): {
  state: TrainingState;
  first: string | null;
} {
  const { mode, ratio, budget, importance } = manifest.freezing;
  if (mode !== "cost") return { state: checkpoint, first: null };
  const state = new Map(checkpoint);
  const costs = flopCosts(trainingModel.graph, manifest);
  const standing = needsGradients(importance)
    ? new Map(Object.keys(costs.positions).map((name) => [name, Number.MAX_SAFE_INTEGER]))
    : undefined;
  const { first } = refreshRows(
    state,
    manifest.weights,
    { mode, ratio, budget, importance: "magnitude" },
    { floatWeights: floatWeights(floatModel.graph, manifest), costs, standing },
  );
  return { state, first };
}
