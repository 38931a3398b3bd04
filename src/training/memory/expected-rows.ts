import type { Artifact } from "../artifact.ts";
import { floatWeights } from "../artifact/initial-state.ts";
import { flopCosts } from "../costs/flop-costs.ts";
import { defaultFreezingOptions, refreshRows } from "../freezing/refresh.ts";
import type { TrainingState } from "../state.ts";

/** A state with as many rows trained as a run will train, and the first layer that does where the backward ends there. */
export function expectedRows({ manifest, checkpoint, trainingModel, floatModel }: Artifact): {
  state: TrainingState;
  first: string | null;
} {
  const { mode, ratio, budget = defaultFreezingOptions.budget } = manifest.freezing;
  if (mode !== "cost") return { state: checkpoint, first: null };
  const state = new Map(checkpoint);
  const { first } = refreshRows(
    state,
    manifest.weights,
    { mode, ratio, budget, importance: "magnitude" },
    {
      floatWeights: floatWeights(floatModel.graph, manifest),
      costs: flopCosts(trainingModel.graph, manifest),
    },
  );
  return { state, first };
}
