import { modelError } from "../../errors.ts";
import type { Model } from "../../ir/model.ts";
import { shapeOf } from "../../ir/value-types.ts";
import type { Sizes } from "../../passes/bind-inputs.ts";
import { pinBatch } from "../../passes/pin-batch.ts";
import type { Loss, Term } from "../losses/resolve-loss.ts";

/**
 * The loss with the steps of every output that it compares with label sequences. Where the model leaves them open they follow
 * from the sizes of its inputs, which training fixes.
 */
export async function withSteps(
  model: Model,
  loss: Loss,
  batch: number,
  sizes: Sizes = new Map(),
): Promise<Loss> {
  const isOpen = ({ sequence }: Term): boolean => sequence !== undefined && sequence.steps === undefined;
  if (!loss.terms.some(isOpen)) return loss;
  const { graph } = await pinBatch(model, batch, { open: true, runLoops: true, sizes });
  const measure = (term: Term): Term => {
    const { sequence, output } = term;
    if (sequence === undefined || !isOpen(term)) return term;
    const steps = shapeOf(graph, output)?.[1 - sequence.samplesAxis];
    if (typeof steps === "number") return { ...term, sequence: { ...sequence, steps } };
    throw modelError(
      "loss",
      `The number of steps of output "${output}" does not follow from the shapes of the inputs, and the loss ctc needs it`,
      output,
      "Export the model with a fixed number of steps.",
    );
  };
  return { ...loss, terms: loss.terms.map(measure) };
}
