import type { Graph, Model } from "../../ir/model.ts";
import { requiredInputs, shapeOf } from "../../ir/value-types.ts";
import { nameOpenDims, type Sizes } from "../../passes/bind-inputs.ts";
import { pinBatch } from "../../passes/pin-batch.ts";
import { type LossTarget, openDim } from "../losses/ports.ts";

/**
 * Targets with the shapes of the outputs of `model` that they are compared with: of their open dimensions only the batch
 * stays open. A symbol of an input has the size that `sizes` tells; any other follows from the inputs by a computation (a
 * length after strides), and is measured at a batch of `batch` samples. An open first dimension is the batch where no other is
 * and its measured size does not say otherwise.
 */
export async function closeTargets(
  model: Model,
  targets: readonly LossTarget[],
  batch: number,
  sizes: Sizes = new Map(),
): Promise<LossTarget[]> {
  const open = nameOpenDims(requiredInputs(model.graph));
  const known = (dim: number | string): number | string | undefined =>
    typeof dim === "number" || dim === open.batch ? dim : sizes.get(dim);
  if (targets.every(({ shape }) => shape.every((dim) => known(dim) !== undefined)))
    return targets.map((target) => ({ ...target, shape: target.shape.map((dim) => known(dim) ?? dim) }));
  const { graph } = await pinBatch(model, batch, { open: true, runLoops: true, sizes });
  const measured = measuredDims(model.graph, graph);
  const { batch: symbol } = open;
  return targets.map((target) => {
    const shape = target.shape.map((dim) => known(dim) ?? measured.get(dim as string) ?? dim);
    const [declared, closed] = [target.shape[0], shape[0]];
    const mayBeBatch = typeof declared === "string" && (typeof closed === "string" || closed === batch);
    if (symbol !== undefined && mayBeBatch && !shape.includes(symbol)) shape[0] = symbol;
    return { ...target, shape };
  });
}

/** Open dimensions of outputs, by the names that targets have for them, as they are in the same graph with fixed inputs. */
function measuredDims(open: Graph, pinned: Graph): Map<string, number> {
  const found = new Map<string, number>();
  for (const { name } of open.outputs)
    for (const [axis, dim] of (shapeOf(open, name) ?? []).entries()) {
      const size = shapeOf(pinned, name)?.[axis];
      if (typeof dim !== "number" && typeof size === "number") found.set(dim ?? openDim(name, axis), size);
    }
  return found;
}

/** The graph's inputs with the shapes of targets. */
export function withTargetShapes(model: Model, targets: readonly LossTarget[]): Model {
  const { graph } = model;
  const shapes = new Map(targets.map(({ name, shape }) => [name, shape]));
  const inputs = graph.inputs.map((input) => {
    const shape = shapes.get(input.name);
    return shape === undefined || input.type?.kind !== "tensor"
      ? input
      : { ...input, type: { ...input.type, shape } };
  });
  return { ...model, graph: { ...graph, inputs } };
}
