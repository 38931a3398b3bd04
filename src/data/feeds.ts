import { dataError } from "../errors.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Batch } from "./dataset.ts";
import { namedValues } from "../named-values.ts";

/**
 * What a model's inputs `ports` take: their tensors in `extra`, or else in the batch. Throws UserError
 * data/missing-input, which names the data `source`, when neither has one.
 */
export function feedsOf(
  ports: readonly { name: string }[],
  { inputs }: Batch,
  source: string,
  extra: Readonly<Record<string, Tensor>> = {},
): Record<string, Tensor> {
  const feeds = namedValues<Tensor>();
  for (const { name } of ports) {
    const from = Object.hasOwn(extra, name) ? extra : inputs;
    const tensor = Object.hasOwn(from, name) ? from[name] : undefined;
    if (tensor === undefined)
      throw dataError(
        "missing-input",
        `The data has no values for the model's input "${name}"; it has: ${Object.keys(inputs).join(", ")}`,
        source,
        "Name the arrays of the data after the model's inputs.",
      );
    feeds[name] = tensor;
  }
  return feeds;
}
