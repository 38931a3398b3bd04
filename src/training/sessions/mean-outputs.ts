import type { Session } from "../../runtime/session.ts";
import { type Tensor, viewAs } from "../../tensor/tensor.ts";
import { namedValues } from "../../named-values.ts";

/** What a step needs of a session. */
export type RunnableGraph = Pick<Session, "inputs" | "run">;

/** Inputs and targets of one run of the training graph. */
export type StepData = Record<string, Tensor>;

/**
 * Runs a graph on each batch with the same other feeds and returns the mean of its float32 outputs: loss and gradients of
 * all batches together, where every loss is a mean over the samples of its batch and the batches are of one size.
 * The outputs of the first run hold the sum, so that no more than two runs' outputs are there at a time. Stops at a loss
 * that is not finite.
 */
export async function meanOutputs(
  graph: RunnableGraph,
  feeds: Readonly<Record<string, Tensor>>,
  batches: Iterable<StepData> | AsyncIterable<StepData>,
): Promise<Record<string, Tensor>> {
  let sums = namedValues<Tensor>();
  let runs = 0;
  for await (const data of batches) {
    const outputs = await graph.run({ ...feeds, ...data });
    if (runs++ === 0) sums = outputs;
    else for (const [name, sum] of Object.entries(sums)) addTo(sum, outputs[name] as Tensor);
    const { loss } = sums;
    if (loss !== undefined && !Number.isFinite(viewAs(loss, "float32")[0])) return sums;
  }
  if (runs > 1) for (const sum of Object.values(sums)) divide(sum, runs);
  return sums;
}

function addTo(sum: Tensor, tensor: Tensor): void {
  const target = viewAs(sum, "float32");
  const source = viewAs(tensor, "float32");
  for (let index = 0; index < target.length; index++)
    target[index] = (target[index] as number) + (source[index] as number);
}

function divide(sum: Tensor, by: number): void {
  const target = viewAs(sum, "float32");
  for (let index = 0; index < target.length; index++) target[index] = (target[index] as number) / by;
}
