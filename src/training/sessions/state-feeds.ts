import type { Tensor } from "../../tensor/tensor.ts";
import { dataPorts, type Manifest } from "../artifact/manifest.ts";
import { feedsFor, type Tensors } from "../state.ts";
import type { RunnableGraph } from "./mean-outputs.ts";

/** What a graph of an artifact reads beside samples and targets, each from the first of the sources that has it. */
export function stateFeeds(
  manifest: Manifest,
  { inputs }: Pick<RunnableGraph, "inputs">,
  ...sources: readonly Tensors[]
): Record<string, Tensor> {
  const fed = new Set(dataPorts(manifest).map(({ name }) => name));
  return feedsFor({ inputs: inputs.filter(({ name }) => !fed.has(name)) }, ...sources);
}
