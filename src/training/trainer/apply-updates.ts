import { InternalError } from "../../errors.ts";
import { type Tensor, viewAs } from "../../tensor/tensor.ts";
import type { Manifest } from "../artifact/manifest.ts";
import { scatterRows } from "../freezing/rows.ts";
import { stateTensor, type TrainingState } from "../state.ts";

/**
 * Writes an optimizer step's outputs into a state: updated tensors replace the old ones without a copy, and new codes of
 * trained rows are written into the weight's codes. Tensors in `still` keep their values.
 */
export function applyUpdates(
  { weights, optimizer }: Manifest,
  state: TrainingState,
  updates: Readonly<Record<string, Tensor>>,
  still: ReadonlySet<string>,
): void {
  const shapes = new Map(weights.map(({ codes, shape }) => [codes, shape]));
  for (const { name, updates: target, rows, axis } of optimizer.outputs) {
    const value = updates[name];
    if (value === undefined || target === null || still.has(target)) continue;
    if (rows === null || axis === null) {
      state.set(target, value);
      continue;
    }
    const shape = shapes.get(target);
    if (shape === undefined) throw new InternalError(`no weight has the codes "${target}"`);
    const codes = viewAs(stateTensor(state, target), "int8");
    scatterRows(codes, shape, axis, viewAs(stateTensor(state, rows), "int64"), viewAs(value, "int8"));
  }
}
