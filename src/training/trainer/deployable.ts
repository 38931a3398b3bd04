import { frozenWeights, type Manifest } from "../artifact/manifest.ts";
import { weightNames } from "../../ir/derived-names.ts";
import { stateTensor, type TrainingState } from "../state.ts";

/** The part of a state that is deployed: codes, scales, zero points and float parameters. */
export function deployableState(manifest: Manifest, state: TrainingState): TrainingState {
  const names = [
    ...manifest.weights.flatMap(({ codes, scale }) => [codes, scale]),
    ...frozenWeights(manifest).flatMap(({ name }) => [weightNames(name).codes, weightNames(name).scale]),
    ...manifest.activations.flatMap(({ scale, zeroPoint }) => [scale, zeroPoint]),
    ...manifest.parameters.map(({ input }) => input),
  ];
  return new Map(names.map((name) => [name, stateTensor(state, name)]));
}
