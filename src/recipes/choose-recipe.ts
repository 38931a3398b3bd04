import { usageError } from "../errors.ts";
import { indexGraph } from "../ir/graph.ts";
import type { Graph, Model } from "../ir/model.ts";
import { finalActivation } from "../ir/output-kinds.ts";
import { findFamily } from "./find-family.ts";
import { type Family, familyNames, type Recipe } from "./recipe.ts";
import { recipes } from "./table.ts";

/** A recipe for one model. */
export interface ChosenRecipe {
  name: Family;
  because: string;
  recipe: Recipe;
  /** Nodes behind the last weights, which the recipe leaves in float. */
  excludeNodes: string[];
}

/** Names that a recipe may be asked for by. */
export const recipeNames: readonly string[] = ["auto", ...familyNames];

/** The recipe of a model, by looking at its graph or by name. Throws usage/recipe. */
export function chooseRecipe(model: Model, asked = "auto"): ChosenRecipe {
  const named = familyNames.find((name) => name === asked);
  if (named === undefined && asked !== "auto")
    throw usageError(
      "recipe",
      `There is no recipe "${asked}"`,
      "recipe",
      `Choose ${recipeNames.join(", ")}.`,
    );
  const found = named === undefined ? findFamily(model) : { family: named, because: "it was asked for" };
  const recipe = suit(recipes[found.family], found.family, model);
  const excludeNodes = recipe.floatTail ? tailNodes(model.graph) : [];
  return { name: found.family, because: found.because, recipe, excludeNodes };
}

/** The recipe as the outputs have it: masks behind a Sigmoid are no distribution over classes. */
function suit(recipe: Recipe, family: Family, { graph }: Model): Recipe {
  if (family !== "segmenter") return recipe;
  const index = indexGraph(graph);
  const masks = graph.outputs.some(({ name }) => finalActivation(name, { index }, ["Sigmoid"]) !== undefined);
  return masks ? { ...recipe, loss: "bce" } : recipe;
}

/** Operators that mostly have weights, as initializers or not. */
const weighted = new Set(["Conv", "ConvTranspose", "Gemm", "MatMul", "LSTM", "GRU", "RNN"]);

/** Operators of decoding that a target may quantize; what computes shapes is folded away, so that its names are no nodes then. */
const decoding = new Set([
  ...["Add", "Sub", "Mul", "Div", "Exp", "Log", "Sqrt", "Pow", "Concat", "Clip"],
  ...["Sigmoid", "HardSigmoid", "Softmax", "Tanh", "Relu", "LeakyRelu"],
]);

/** Operators whose results do not depend on the numbers that they are given. */
const shapeOnly = new Set(["Shape", "Size", "Constant", "ConstantOfShape"]);

/** Named nodes that decode what comes out of the last weights: behind nodes with weights, and in front of none. */
function tailNodes(graph: Graph): string[] {
  const { consumers } = indexGraph(graph);
  const leads = new Set<object>();
  for (const node of graph.nodes.toReversed()) {
    const readers = node.outputs.flatMap((output) => consumers.get(output) ?? []);
    if (weighted.has(node.opType) || readers.some((reader) => leads.has(reader))) leads.add(node);
  }
  const behind = new Set<string>();
  for (const { opType, inputs, outputs } of graph.nodes)
    if (weighted.has(opType) || (!shapeOnly.has(opType) && inputs.some((name) => behind.has(name))))
      for (const output of outputs) behind.add(output);
  return graph.nodes
    .filter(
      (node) =>
        !leads.has(node) && decoding.has(node.opType) && node.outputs.some((name) => behind.has(name)),
    )
    .map(({ name }) => name)
    .filter((name) => /^[^,]+$/.test(name)); // Names with commas cannot be given as options.
}

/** A recipe as a report tells it. */
export function describeRecipe({ name, because, recipe, excludeNodes }: ChosenRecipe): Omit<
  Recipe,
  "floatTail" | "evaluationBatch"
> & {
  name: string;
  because: string;
  excludeNodes: string[];
} {
  const { floatTail: _tail, evaluationBatch: _batch, ...told } = recipe;
  return { name, because, ...told, excludeNodes };
}

/** What a recipe is as options of the commands. */
export function optionsOf({ recipe, excludeNodes }: ChosenRecipe): {
  quantize: Record<string, string>;
  optimize: Record<string, string>;
} {
  const float = excludeNodes.length === 0 ? {} : { "exclude-nodes": excludeNodes.join(",") };
  return {
    quantize: { ...float, batch: String(recipe.evaluationBatch) },
    optimize: {
      ...float,
      loss: recipe.loss,
      batch: String(recipe.batch),
    },
  };
}
