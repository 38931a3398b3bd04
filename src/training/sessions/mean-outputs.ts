import type { Session } from "../../runtime/session.ts";
import { type Tensor, viewAs } from "../../tensor/tensor.ts";
import { namedValues } from "../../named-values.ts";

/** What a step needs of a session. */
export type RunnableGraph = Pick<Session, "inputs" | "run">;

/** Inputs and targets of one run of the training graph. */
export type StepData = Record<string, Tensor>;

/** Adds the sums of outputs over runs elsewhere to those here, and gives the number of these runs. */
export type AddOthers = (sums: Readonly<Record<string, Tensor>>) => Promise<number>;

/**
 * Runs a graph on each batch with the same other feeds and returns the mean of its float32 outputs: loss and gradients of
 * all batches together, where every loss is a mean over the samples of its batch and the batches are of one size.
 * `addOthers`: adds those of batches that run elsewhere. Where the loss is not finite, nor are the outputs of use.
 */
export async function meanOutputs(
  graph: RunnableGraph,
  feeds: Readonly<Record<string, Tensor>>,
  batches: Iterable<StepData> | AsyncIterable<StepData>,
  addOthers: AddOthers = () => Promise.resolve(0),
): Promise<Record<string, Tensor>> {
  const { sums, runs } = await sumOutputs(graph, feeds, batches);
  const all = runs + (await addOthers(sums));
  if (all > 1) for (const sum of Object.values(sums)) divide(sum, all);
  return sums;
}

/**
 * The sum of a graph's float32 outputs over runs on each batch, and the number of these. The outputs of the first run hold
 * the sum, so that no more than two runs' outputs are there at a time. Stops at a loss that is not finite.
 */
export async function sumOutputs(
  graph: RunnableGraph,
  feeds: Readonly<Record<string, Tensor>>,
  batches: Iterable<StepData> | AsyncIterable<StepData>,
): Promise<{ sums: Record<string, Tensor>; runs: number }> {
  let sums = namedValues<Tensor>();
  let runs = 0;
  for await (const data of batches) {
    const outputs = await graph.run({ ...feeds, ...data });
    if (runs++ === 0) sums = outputs;
    else for (const [name, sum] of Object.entries(sums)) addTo(sum, outputs[name] as Tensor);
    const { loss } = sums;
    if (loss !== undefined && !Number.isFinite(viewAs(loss, "float32")[0])) break;
  }
  return { sums, runs };
}

/** Adds a float32 tensor to another one, in place. */
export function addTo(sum: Tensor, tensor: Tensor): void {
  const target = viewAs(sum, "float32");
  const source = viewAs(tensor, "float32");
  for (let index = 0; index < target.length; index++)
    target[index] = (target[index] as number) + (source[index] as number);
}

function divide(sum: Tensor, by: number): void {
  const target = viewAs(sum, "float32");
  for (let index = 0; index < target.length; index++) target[index] = (target[index] as number) / by;
}
