import type { Artifact } from "../artifact.ts";
import { floatWeights } from "../artifact/initial-state.ts";
import { flopCosts } from "../costs/flop-costs.ts";
import { viewAs } from "../../tensor/tensor.ts";
import { needsGradients } from "../freezing/importance.ts";
import { defaultFreezingOptions, refreshRows, trainRows } from "../freezing/refresh.ts";
import { stateTensor, type TrainingState } from "../state.ts";

/**
 * A state with about as many rows trained as a run will train, and the first layer that does where the backward ends
 * there. For a budget, rows are chosen by magnitude and by operations instead of times. Where gradients are to choose, they
 * may find anything between few costly rows of the first layers and as many cheap ones of the last: half of the rows stand
 * for both.
 */
export function expectedRows({ manifest, checkpoint, trainingModel, floatModel }: Artifact): {
  state: TrainingState;
  first: string | null;
} {
  const { mode, ratio, budget = defaultFreezingOptions.budget, importance } = manifest.freezing;
  if (mode !== "cost") return { state: checkpoint, first: null };
  const state = new Map(checkpoint);
  const floats = floatWeights(floatModel.graph, manifest);
  const { first } = refreshRows(
    state,
    manifest.weights,
    { mode, ratio, budget, importance: "magnitude" },
    { floatWeights: floats, costs: flopCosts(trainingModel.graph, manifest) },
  );
  if (!needsGradients(importance)) return { state, first };
  const every = manifest.weights.map(({ rows }) =>
    Array.from(viewAs(stateTensor(state, rows), "int64"), Number),
  );
  trainRows(
    state,
    manifest.weights,
    every.map((rows) => rows.filter((_, index) => index % 2 === 0)),
    floats,
  );
  return { state, first };
}
