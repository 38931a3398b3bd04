import { weightBytes } from "../../runtime/open-model.ts";
import { elementCount } from "../../tensor/tensor.ts";
import type { Artifact } from "../artifact/files.ts";
import type { TrainingState } from "../state.ts";
import type { SessionMemory } from "./session-memory.ts";

/** The same of the float model that JavaScript keeps: its file, and a little for weights that lie askew in it. */
const floatModelCopies = 1.1;
/** State, the float model, the best state so far, kept weights, gradients, updates, and two batches of data. */
export function scriptBytes(
  { floatModel, manifest }: Artifact,
  tensors: TrainingState,
  training: SessionMemory,
  optimizer: SessionMemory,
  batch: ReadonlyMap<string, readonly number[]>,
): number {
  const state = [...tensors.values()].reduce((total, { bytes }) => total + bytes.byteLength, 0);
  const codes = manifest.weights.reduce(
    (total, { codes: name }) => total + (tensors.get(name)?.bytes.byteLength ?? 0),
    0,
  );
  const data = [...batch.values()].reduce((total, dims) => total + 4 * elementCount(dims), 0);
  const steady = manifest.backward === "integer" ? codes : 0;
  const kept = state + codes + steady + floatModelCopies * weightBytes(floatModel);
  return kept + (state - codes) + training.outputs + optimizer.outputs + 2 * data;
}
